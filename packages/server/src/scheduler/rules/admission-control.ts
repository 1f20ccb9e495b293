import { checkedAt } from '../../job/invalid.ts'
import type { NewJob, RequestedJobs } from '../../job/job.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { SchedulerCache } from '../cache/scheduler-cache.ts'
import { requireFeasible, requireQueueRoom } from './admission.ts'
import { quotaHolderKey, quotaHoldersOf, type QuotaHolderName } from './quota-holder-name.ts'

/** Jobs that are admitted and not stored yet. */
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
   * Admits the jobs of one or several requests: they are feasible and there is room for all of them in the queue. Each counts as queued
   * from then on.
   * @throws {InvalidRequest} naming what is too much.
   */
  admit(requests: readonly RequestedJobs[]): Admission {
    const counts = countsOf(requests)
    this.#require(requests, counts, false)
    for (const { jobs } of requests) {
      const [first] = jobs
      const keys = first === undefined ? [] : quotaHoldersOf(first).map(quotaHolderKey)
      for (const { id } of jobs) this.#entering.set(id, keys)
      this.#count(keys, jobs.length)
    }
    return {
      confirm: () => {
        this.#require(requests, counts, true)
      },
      leave: () => {
        for (const { jobs } of requests) this.entered(jobs)
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

  /** @param areCounted - Whether the jobs that are checked count as queued already. @throws {InvalidRequest} */
  #require(requests: readonly RequestedJobs[], counts: readonly HolderCount[], areCounted: boolean): void {
    const cache = this.#cache
    const settingsOf = (quotaHolder: QuotaHolderName) => cache.settingsOf(quotaHolder)
    const policy = this.#policy
    const nodes = cache.nodes()
    for (const { place, jobs } of requests) {
      const [first] = jobs
      if (first === undefined) continue
      checkedAt(place, () => {
        requireFeasible(first, { nodes, policy, offPeak: this.#offPeak, settingsOf })
      })
    }
    const field = requests[0]?.place === undefined ? 'replicas' : 'jobs'
    for (const { quotaHolder, count } of counts)
      requireQueueRoom(quotaHolder, count, {
        policy,
        settingsOf,
        queuedCount:
          cache.jobs.queuedCount(quotaHolder.kind, quotaHolder.name) +
          (this.#enteringCount.get(quotaHolderKey(quotaHolder)) ?? 0) -
          (areCounted ? count : 0),
        field,
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

/** The number of jobs that enter the queue, by quota holder. */
interface HolderCount {
  readonly quotaHolder: QuotaHolderName
  readonly count: number
}

/** Pure. */
function countsOf(requests: readonly RequestedJobs[]): HolderCount[] {
  const counts = new Map<string, HolderCount>()
  for (const { jobs } of requests) {
    const [first] = jobs
    for (const quotaHolder of first === undefined ? [] : quotaHoldersOf(first)) {
      const key = quotaHolderKey(quotaHolder)
      counts.set(key, { quotaHolder, count: (counts.get(key)?.count ?? 0) + jobs.length })
    }
  }
  return [...counts.values()]
}
