import type { Executor } from '../executor.ts'
import { identitySource } from './credentials/kubeconfig.ts'
import { createKubernetesExecutor } from './kubernetes.ts'
import type { KubernetesOptions } from './settings.ts'

/**
 * Makes the executor for the cluster of a kubeconfig, or for the cluster that this process runs in.
 *
 * @param options `kubeconfig` is a path; absent: the pod's own service account, or else the kubeconfig of kubectl.
 * @throws where the file cannot be read or names no cluster.
 */
export async function openKubernetes(
  options: Omit<KubernetesOptions, 'identity'> & { readonly kubeconfig?: string },
): Promise<Executor> {
  const { kubeconfig, ...rest } = options
  return createKubernetesExecutor({ ...rest, identity: await identitySource(kubeconfig) })
}
