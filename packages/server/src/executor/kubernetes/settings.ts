import type { ImagePolicy } from '../../image/allowed.ts'
import type { KubernetesConfig } from '../../config.ts'

/** How jobs become objects of a cluster. */
export type ClusterSettings = Omit<KubernetesConfig, 'kubeconfig' | 'homesFolder' | 'usage'> & {
  readonly images: ImagePolicy
}
