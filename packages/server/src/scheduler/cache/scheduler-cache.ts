import type { Node } from '../../executor/executor.ts'
import type { StoredAttempt, StoredJob } from '../../job/job.ts'
import type { StoredHolder, StoredRun, StoredRunHistory, StoredShare } from '../../store/store.ts'
import type { Policy, QuotaSettings } from '../../configuration/policy/policy.ts'
import { quotaHolderKey, type QuotaHolderName } from '../rules/quota-holder-name.ts'
import { classOf } from '../rules/job-class.ts'
import { type ExpectedRunTime, expectedRunTime } from './expected-run-time.ts'
import { isActive, JobCache } from './job-cache.ts'
import { associationKey } from './ledger.ts'
import { activeJobOf, needsOf, queuedJobOf } from './planned-job.ts'
import { type AddedRun, type Expectation, RunHistories } from './run-histories.ts'
import type { PlannerEvent } from './snapshot.ts'

/** The share that follows a charge. */
export type NextShare = (share: StoredShare | undefined) => StoredShare

/** A charge whose commit is not done. */
export interface PendingCharge {
  /** It was stored. */
  readonly commit: () => void
  /** It was not. */
  readonly undo: () => void
}

interface CachedShare {
  readonly user: string
  readonly group?: string
  stored: StoredShare | undefined
  readonly pending: Set<NextShare>
}

/** Waiting jobs that get a new estimate at once. The others get it in pieces of so many: each takes some milliseconds. */
const estimatedAtOnce = 1_000

/** How often old run histories are dropped, in runs added. */
const pruneEvery = 1_000

/**
 * Mirrors what the store and the executor have: jobs, attempts, nodes, shares, limits, run times. It turns each change into planner
 * events; `emit` receives them in order.
 */
export class SchedulerCache {
  readonly jobs = new JobCache()
  readonly #emit: (event: PlannerEvent) => void
  readonly #keepRunsMs: number
  readonly #policy: Pick<Policy, 'classes' | 'backfill'>
  #histories = new RunHistories()
  #runsAdded = 0
  #nodes: readonly Node[] = []
  readonly #shares = new Map<string, CachedShare>()
  readonly #holders = new Map<string, StoredHolder>()
  /** By fingerprint, the waiting jobs whose estimate has changed since they were emitted. */
  readonly #toEstimate = new Map<string, Iterator<StoredJob, void>>()

  /** @param keepRunsMs - Run histories without a run for this long are dropped, as the store drops them. */
  constructor(emit: (event: PlannerEvent) => void, keepRunsMs: number, policy: Pick<Policy, 'classes' | 'backfill'>) {
    this.#emit = emit
    this.#keepRunsMs = keepRunsMs
    this.#policy = policy
  }

  nodes(): readonly Node[] {
    return this.#nodes
  }

  /** Replaces all nodes. */
  setNodes(nodes: readonly Node[]): void {
    const before = new Map(this.#nodes.map((node) => [node.name, node]))
    const now = new Map(nodes.map((node) => [node.name, node]))
    for (const name of before.keys()) if (!now.has(name)) this.#emit({ type: 'nodeGone', name })
    for (const [name, node] of now) if (!isSame(before.get(name), node)) this.#emit({ type: 'node', node })
    this.#nodes = nodes
  }

  /** Replaces all run histories. Before any job is upserted: a job's estimate comes from them. */
  setRunHistories(histories: readonly StoredRunHistory[]): void {
    this.#histories = new RunHistories(histories)
  }

  get runHistories(): number {
    return this.#histories.size
  }

  /** What past runs say about a job; undefined where too few are known. */
  expectation(job: StoredJob): Expectation | undefined {
    return this.#histories.expectation(job)
  }

  /** How long a job is expected to run. */
  expectedRunTime(job: StoredJob): ExpectedRunTime {
    return expectedRunTime({
      limitSeconds: job.timeSeconds,
      isLimitGiven: job.timeIsAsked === true,
      history: this.expectation(job)?.seconds,
      ofClass: this.#histories.ofClass(classOf(needsOf(job), this.#policy)),
      confidence: this.#policy.backfill.confidence,
    })
  }

  /** Adds a run. Where it changes the estimate of waiting jobs, some are updated at once and the others by {@link estimateSome}. */
  addRun(job: StoredJob, run: StoredRun): AddedRun {
    if (++this.#runsAdded % pruneEvery === 0) this.#histories.prune(run.endedAt - this.#keepRunsMs)
    const added = this.#histories.add(job, run)
    if (!added.estimateChanged) return added
    const estimateAlike = (): void => {
      this.#toEstimate.set(added.stored.alike, this.jobs.queuedLike(added.stored.alike))
      this.estimateSome()
    }
    estimateAlike()
    const undo = (): void => {
      added.undo()
      estimateAlike()
    }
    return { ...added, undo }
  }

  /** Whether waiting jobs still have an old estimate. */
  get isEstimating(): boolean {
    return this.#toEstimate.size > 0
  }

  /** Emits waiting jobs whose estimate has changed: a piece of them, which takes some milliseconds. */
  estimateSome(): void {
    let left = estimatedAtOnce
    for (const [fingerprint, waiting] of this.#toEstimate) {
      for (let next = waiting.next(); next.done !== true; next = waiting.next()) {
        this.#emitQueued(next.value)
        left--
        if (left === 0) return
      }
      this.#toEstimate.delete(fingerprint)
    }
  }

  shares(): Iterable<StoredShare> {
    return Iterator.from(this.#shares.values()).flatMap((cached) => {
      const share = withPending(cached)
      return share === undefined ? [] : [share]
    })
  }

  /** Replaces all shares: associations without one have used nothing. */
  setShares(shares: readonly StoredShare[]): void {
    const keys = new Set(shares.map(({ user, group }) => associationKey(user, group)))
    for (const [key, { stored }] of this.#shares)
      if (!keys.has(key) && stored !== undefined) this.upsertShare({ ...stored, coreHours: 0 })
    for (const share of shares) this.upsertShare(share)
  }

  upsertShare(share: StoredShare): void {
    const cached = this.#share(share)
    cached.stored = share
    this.#emitShare(cached)
  }

  /** Charges an association before the commit is done. */
  charge(association: Pick<StoredShare, 'user' | 'group'>, next: NextShare): PendingCharge {
    const cached = this.#share(association)
    cached.pending.add(next)
    this.#emitShare(cached)
    return {
      commit: () => {
        if (cached.pending.delete(next)) cached.stored = next(cached.stored)
      },
      undo: () => {
        if (cached.pending.delete(next)) this.#emitShare(cached)
      },
    }
  }

  settingsOf(name: QuotaHolderName): QuotaSettings | undefined {
    const holder = this.#holders.get(quotaHolderKey(name))
    return holder && settings(holder)
  }

  /** Replaces the settings of all quota holders. */
  setHolders(holders: readonly StoredHolder[]): void {
    const keys = new Set(holders.map(quotaHolderKey))
    for (const [key, { kind, name }] of this.#holders) if (!keys.has(key)) this.removeHolder({ kind, name })
    for (const holder of holders) this.upsertHolder(holder)
  }

  upsertHolder(holder: StoredHolder): void {
    const key = quotaHolderKey(holder)
    const isKnown = this.#holders.get(key)?.setAt === holder.setAt
    this.#holders.set(key, holder)
    if (!isKnown) this.#emit({ type: holder.kind, name: holder.name, settings: settings(holder) })
  }

  removeHolder({ kind, name }: QuotaHolderName): void {
    if (this.#holders.delete(quotaHolderKey({ kind, name }))) this.#emit({ type: kind, name, settings: undefined })
  }

  /** An active job has its allocation from when its attempt is upserted too. */
  upsertJobs(jobs: readonly StoredJob[]): void {
    for (const job of jobs) {
      this.jobs.upsert(job)
      if (job.state === 'queued') this.#emitQueued(job)
      else if (!isActive(job)) this.#emit({ type: 'gone', id: job.id })
    }
  }

  /** The latest attempts of active jobs. */
  upsertAttempts(attempts: readonly StoredAttempt[]): void {
    for (const attempt of attempts) {
      this.jobs.upsertAttempt(attempt)
      this.emitActive(attempt.jobId)
    }
  }

  /** An active job releases its allocation before its ending is stored. */
  emitGone(id: string): void {
    this.#emit({ type: 'gone', id })
  }

  /** An active job has its allocation, again where it was released before its ending was stored. */
  emitActive(id: string): void {
    const job = this.jobs.activeJob(id)
    if (job === undefined) return
    this.#emit({ type: 'placed', job: activeJobOf(job, this.jobs.attempt(job), this.expectedRunTime(job)) })
  }

  #emitQueued(job: StoredJob): void {
    this.#emit({ type: 'queued', job: queuedJobOf(job, this.expectedRunTime(job)) })
  }

  #emitShare(cached: CachedShare): void {
    const { user, group } = cached
    // Nothing stored and nothing pending: the charge was undone.
    const nothing = { user, ...(group === undefined ? {} : { group }), coreHours: 0, at: 0 }
    this.#emit({ type: 'usage', usage: withPending(cached) ?? nothing })
  }

  #share({ user, group }: Pick<StoredShare, 'user' | 'group'>): CachedShare {
    const key = associationKey(user, group)
    let cached = this.#shares.get(key)
    if (cached === undefined) {
      cached = { user, ...(group === undefined ? {} : { group }), stored: undefined, pending: new Set() }
      this.#shares.set(key, cached)
    }
    return cached
  }
}

function withPending({ stored, pending }: CachedShare): StoredShare | undefined {
  let share = stored
  for (const next of pending) share = next(share)
  return share
}

const settings = ({ weight, limits }: StoredHolder): QuotaSettings => ({
  limits,
  ...(weight === undefined ? {} : { weight }),
})

const isSame = (a: Node | undefined, b: Node): boolean =>
  a?.cores === b.cores &&
  a.memoryGb === b.memoryGb &&
  a.gpus === b.gpus &&
  a.gpuKind === b.gpuKind &&
  a.largestJob?.cores === b.largestJob?.cores &&
  a.largestJob?.memoryGb === b.largestJob?.memoryGb &&
  a.largestJob?.gpus === b.largestJob?.gpus
