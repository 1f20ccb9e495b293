import type { KubernetesApi } from './api-client.ts'
import { ApiError } from './api-error.ts'

/**
 * Checks that a LocalQueue of Kueue exists, as the reference server does: jobs would wait for ever in one that does not.
 *
 * @throws where Kueue is not installed, or the queue cannot be read.
 */
export async function requireLocalQueue(
  api: KubernetesApi,
  namespace: string,
  localQueue: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    type Group = { readonly preferredVersion: { readonly groupVersion: string } }
    const { preferredVersion } = await api.getWithRetry<Group>('/apis/kueue.x-k8s.io', { signal })
    const path = `/apis/${preferredVersion.groupVersion}/namespaces/${namespace}/localqueues/${localQueue}`
    await api.getWithRetry(path, { signal })
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    throw new Error(
      `kubernetes.queue.localQueue is ${localQueue}, which cannot be read in the namespace ${namespace}: ${error.message}. Is Kueue installed, and the LocalQueue made?`,
      { cause: error },
    )
  }
}
