import type { V1Job } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import type { AttemptEvidence } from '../attempt-evidence.ts'
import { KubernetesApi } from './api/api-client.ts'
import { evidenceOfJob } from './attempt/job-evidence.ts'
import { identitySource } from './credentials/kubeconfig.ts'
import type { LeaseRecord } from './lease/judge-lease.ts'
import { NamespaceLease } from './lease/namespace-lease.ts'
import { ownSelector } from './objects/names.ts'

/** Settings of {@link openClusterEvidence}. */
export interface ClusterEvidenceOptions {
  readonly kubeconfig?: string
  readonly namespace: string
  readonly instance: string
  /** The identity of the database that asks. */
  readonly identity: string
  readonly log: Logger
}

/** The attempts of an instance as the cluster shows them, and the Lease that says whose they are. */
export interface ClusterEvidence {
  /** The attempts whose Job is not being deleted. */
  attempts(): Promise<AttemptEvidence[]>
  /** Who holds the Lease; undefined where there is none. */
  holder(): Promise<LeaseRecord | undefined>
  /** Takes the Lease from whatever database holds it. @throws {NotOurs} where that database's server renews it. */
  takeLease(): Promise<void>
  close(): void
}

/** Objects in one page of a listing. */
const pageSize = 250

/** Connects to the cluster without a cache: for commands. */
export async function openClusterEvidence(options: ClusterEvidenceOptions): Promise<ClusterEvidence> {
  const { kubeconfig, namespace, instance, identity, log } = options
  const api = new KubernetesApi(await identitySource(kubeconfig), { log })
  const closing = new AbortController()
  const { signal } = closing
  const lease = new NamespaceLease({ api, namespace, instance, identity, signal, onLost: () => undefined, log })
  return {
    attempts: async () => {
      const found: AttemptEvidence[] = []
      let from: string | undefined
      do {
        const query = { labelSelector: ownSelector(instance), limit: pageSize, ...(from ? { continue: from } : {}) }
        const path = `/apis/batch/v1/namespaces/${namespace}/jobs`
        const page = await api.get<{ metadata: { continue?: string }; items: V1Job[] }>(path, { query, signal })
        for (const job of page.items)
          if (job.metadata?.deletionTimestamp === undefined) found.push(...[evidenceOfJob(job) ?? []].flat())
        from = page.metadata.continue
      } while (from !== undefined && from !== '')
      return found
    },
    holder: () => lease.holder(),
    takeLease: () => lease.takeOver(),
    close: () => {
      closing.abort(new Error('closed'))
      api.close()
    },
  }
}
