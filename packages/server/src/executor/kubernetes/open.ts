import type { Executor } from '../executor.ts'
import { identitySource } from './kubeconfig.ts'
import { KubernetesApi } from './api.ts'
import { createKubernetesExecutor, type KubernetesOptions } from './kubernetes.ts'
import { requireRights } from './rights.ts'

/**
 * The executor for the cluster of a kubeconfig, or the one that this process runs in.
 *
 * @param options `kubeconfig` is a path; absent: the pod's own service account, or else what kubectl would use.
 * @throws where the file cannot be read or names no cluster, or where the account lacks a right that these settings take.
 */
export async function openKubernetes(
  options: Omit<KubernetesOptions, 'identity'> & { readonly kubeconfig?: string },
): Promise<Executor> {
  const { kubeconfig, ...rest } = options
  const identity = await identitySource(kubeconfig)
  const api = new KubernetesApi(identity, { log: rest.log })
  try {
    await requireRights(api, rest.namespace, new AbortController().signal, rest)
  } finally {
    api.close()
  }
  return createKubernetesExecutor({ ...rest, identity })
}
