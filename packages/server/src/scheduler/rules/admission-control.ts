import type { NewJob } from '../../job/job.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { SchedulerCache } from '../cache/scheduler-cache.ts'
import { requireFeasible, requireQueueRoom } from './admission.ts'
import { quotaHolderKey, quotaHoldersOf, type QuotaHolderName } from './quota-holder-name.ts'

/** Jobs of one request that are admitted and not stored yet. */
export interface Admission {
  /** Checks again, right before they are stored: a limit may have been set meanwhile. @throws {InvalidRequest} */
  readonly confirm: () => void
  /** None of them counts as admitted any longer: the cache has them, or the store refused them. */
  readonly leave: () => void
}

/** Decides whether submitted jobs may enter the queue, and counts those that are admitted and not in the cache yet. */
export class AdmissionControl {
  readonly #policy: Policy
  readonly #offPeak: OffPeakHours | undefined
  readonly #cache: Pick<SchedulerCache, 'nodes' | 'settingsOf' | 'jobs'>
  /** The keys of the quota holders of admitted jobs that are not in the cache yet, by job. */
  readonly #entering = new Map<string, readonly string[]>()
  /** The number of jobs in `#entering`, by quota holder. */
  readonly #enteringCount = new Map<string, number>()

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
   * Admits the jobs of one request: they are feasible and there is room for them in the queue. Each counts as queued from then on.
   * @throws {InvalidRequest} naming what is too much.
   */
  admit(jobs: readonly NewJob[]): Admission {
    const [first] = jobs
    if (first === undefined) return { confirm: () => {}, leave: () => {} }
    this.#require(first, jobs.length, 0)
    const keys = quotaHoldersOf(first).map(quotaHolderKey)
    for (const { id } of jobs) this.#entering.set(id, keys)
    this.#count(keys, jobs.length)
    return {
      confirm: () => {
        this.#require(first, jobs.length, jobs.length)
      },
      leave: () => {
        this.entered(jobs)
      },
    }
  }

  /** The cache has these jobs: those that were admitted no longer count besides. */
  entered(jobs: readonly Pick<NewJob, 'id'>[]): void {
    if (this.#entering.size === 0) return
    for (const { id } of jobs) {
      const keys = this.#entering.get(id)
      if (keys !== undefined) this.#count(keys, -1)
      this.#entering.delete(id)
    }
  }

  /** @param own - How many of the counted jobs are those that are checked. @throws {InvalidRequest} */
  #require(first: NewJob, count: number, own: number): void {
    const cache = this.#cache
    const settingsOf = (quotaHolder: QuotaHolderName) => cache.settingsOf(quotaHolder)
    const policy = this.#policy
    requireFeasible(first, { nodes: cache.nodes(), policy, offPeak: this.#offPeak, settingsOf })
    requireQueueRoom(first, count, {
      policy,
      settingsOf,
      queuedCount: (quotaHolder) =>
        cache.jobs.queuedCount(quotaHolder.kind, quotaHolder.name) +
        (this.#enteringCount.get(quotaHolderKey(quotaHolder)) ?? 0) -
        own,
    })
  }

  #count(keys: readonly string[], change: number): void {
    for (const key of keys) {
      const count = (this.#enteringCount.get(key) ?? 0) + change
      if (count === 0) this.#enteringCount.delete(key)
      else this.#enteringCount.set(key, count)
    }
  }
}
