import type { NewJob } from '../../job/job.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { SchedulerCache } from '../cache/scheduler-cache.ts'
import { requireFeasible, requireQueueRoom } from './admission.ts'
import { quotaHolderKey, quotaHoldersOf } from './quota-holder-name.ts'

/** Decides whether submitted jobs may enter the queue, and counts those that are admitted and not stored yet. */
export class AdmissionControl {
  readonly #policy: Policy
  readonly #offPeak: OffPeakHours | undefined
  readonly #cache: Pick<SchedulerCache, 'nodes' | 'settingsOf' | 'jobs'>
  /** Admitted jobs that are not stored yet, by quota holder. */
  readonly #entering = new Map<string, number>()

  constructor(
    policy: Policy,
    offPeak: OffPeakHours | undefined,
    cache: Pick<SchedulerCache, 'nodes' | 'settingsOf' | 'jobs'>,
  ) {
    this.#policy = policy
    this.#offPeak = offPeak
    this.#cache = cache
  }

  /**
   * Admits the jobs of one request: they are feasible and there is room for them in the queue. They count as queued until the caller
   * calls the returned function, when the cache has them or the store refused them.
   * @throws {InvalidRequest} naming what is too much.
   */
  admit(jobs: readonly NewJob[]): () => void {
    const [first] = jobs
    if (first === undefined) return () => {}
    const cache = this.#cache
    requireFeasible(first, {
      nodes: cache.nodes(),
      policy: this.#policy,
      offPeak: this.#offPeak,
      settingsOf: (quotaHolder) => cache.settingsOf(quotaHolder),
    })
    requireQueueRoom(first, jobs.length, {
      policy: this.#policy,
      settingsOf: (quotaHolder) => cache.settingsOf(quotaHolder),
      queuedCount: (quotaHolder) =>
        cache.jobs.queuedCount(quotaHolder.kind, quotaHolder.name) +
        (this.#entering.get(quotaHolderKey(quotaHolder)) ?? 0),
    })
    const keys = quotaHoldersOf(first).map(quotaHolderKey)
    this.#count(keys, jobs.length)
    let isEntering = true
    return () => {
      if (isEntering) this.#count(keys, -jobs.length)
      isEntering = false
    }
  }

  #count(keys: readonly string[], change: number): void {
    for (const key of keys) {
      const count = (this.#entering.get(key) ?? 0) + change
      if (count === 0) this.#entering.delete(key)
      else this.#entering.set(key, count)
    }
  }
}
