import type { ImagePolicy } from '../../image/access/allowed.ts'
import type { KubernetesConfig } from '../../configuration/config.ts'

/** How jobs become objects of a cluster. */
export type ClusterSettings = Omit<KubernetesConfig, 'kubeconfig' | 'homesFolder' | 'usage'> & {
  readonly images: ImagePolicy
}
