import { existsSync } from 'node:fs'
import { KubeConfig } from '@kubernetes/client-node'
import type { Executor } from '../executor.ts'
import { createKubernetesExecutor, type KubernetesOptions } from './kubernetes.ts'

/** Where a pod finds the token of its service account. */
const serviceAccountToken = '/var/run/secrets/kubernetes.io/serviceaccount/token'

/**
 * The executor for the cluster of a kubeconfig, or the one that this process runs in.
 *
 * @param options `kubeconfig` is a path; absent: the pod's own service account, or else what kubectl would use.
 * @throws where the file cannot be read or names no cluster.
 */
export function openKubernetes(
  options: Omit<KubernetesOptions, 'kubeConfig'> & { readonly kubeconfig?: string },
): Executor {
  const { kubeconfig, ...rest } = options
  const kubeConfig = new KubeConfig()
  if (kubeconfig !== undefined) {
    if (!existsSync(kubeconfig)) throw new Error(`kubernetes.kubeconfig is ${kubeconfig}; there is no such file.`)
    kubeConfig.loadFromFile(kubeconfig)
  } else if (existsSync(serviceAccountToken)) kubeConfig.loadFromCluster()
  else kubeConfig.loadFromDefault()
  if (kubeConfig.getCurrentCluster() === null)
    throw new Error(
      `The kubeconfig ${kubeconfig ?? ''} names no cluster: set its current-context, or give another as kubernetes.kubeconfig.`,
    )
  return createKubernetesExecutor({ ...rest, kubeConfig })
}
