import type { Logger } from 'pino'
import { machineClock, type Clock } from '../lib/clock.ts'
import type { AttemptSpec, Executor, ExecutorEvent, Node, Observed } from '../executor/executor.ts'
import { attemptId, jobIdOf, type RequestedJobs, type StoredJob } from '../job/job.ts'
import type { ChangeLog } from '../store/change-log.ts'
import type { JobStep, Store } from '../store/store.ts'
import { AttemptRecords } from './attempt-records.ts'
import { ChangeReader } from './change-reader.ts'
import type { OptimisticSteps } from './planner/optimistic-steps.ts'
import { Queue } from './queue.ts'
import { rebuildIfLost } from './rebuild.ts'
import { reconcile } from './reconcile.ts'
import type { Policy } from '../configuration/policy/policy.ts'
import type { Plan } from './cache/snapshot.ts'
import { outcomesRetained } from './forecast/start-forecasts.ts'
import { Cycles } from './cycles.ts'
import { TimeLimits } from './time-limit/time-limits.ts'

/** Dependencies of the loop. */
export interface LoopDependencies {
  readonly store: Store
  readonly executor: Executor
  /** The change log of the store. */
  readonly changes: ChangeLog
  readonly policy: Policy
  /** Everything an executor must know of a job's attempt. */
  readonly specOf: (job: StoredJob) => Promise<AttemptSpec>
  readonly log: Logger
  /** Seconds in which a job is tried again whose registry does not answer. @defaultValue 600 */
  readonly waitSeconds?: number
  /** @defaultValue the machine's */
  readonly clock?: Clock
  /** Called after each cycle with its duration in seconds. */
  readonly onCycle?: (seconds: number, outcome: 'done' | 'failed') => void
}

/** Jobs of one request on their way into the store. */
export interface Entering {
  /** Checks again that the queue has room for them. Call it in the transaction that stores them. @throws {InvalidRequest} */
  readonly confirm: () => void
  /** Call it with the number of their change once stored, or without a number where storing failed. */
  readonly settle: (change?: number) => void
}

/**
 * The reconcile loop of the server: observe, reconcile, plan, commit, act. It makes no decisions itself;
 * `reconcile` and `plan` do. One wake-up handles everything that happened before it.
 */
export class Loop {
  readonly queue: Queue
  readonly #dependencies: LoopDependencies
  readonly #clock: Clock
  /** Attempts that were already asked to stop, so that each is asked once. */
  readonly #told = new Set<string>()
  /** What each attempt waits for inside the executor. */
  #waiting: ReadonlyMap<string, string> = new Map()
  readonly #timeLimits: TimeLimits
  /** When time alone may change the plan. */
  #planAgainAt: number | undefined
  /** Milliseconds that the last cycle took to reconcile and plan. */
  #thoughtMs = 0
  readonly #cycles: Cycles
  #stopReading: () => void = () => {}
  readonly #reader: ChangeReader
  readonly #records: AttemptRecords
  /** Attempts without a record in the store, as listed last. */
  #unrecorded: ReadonlyMap<string, Observed> = new Map()
  /** Executor calls in progress, by operation and attempt. */
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(dependencies: LoopDependencies) {
    this.#dependencies = dependencies
    this.#clock = dependencies.clock ?? machineClock
    this.queue = new Queue(dependencies.policy, this.#now())
    this.#records = new AttemptRecords(dependencies.store)
    this.#reader = new ChangeReader({
      log: dependencies.changes,
      store: dependencies.store,
      queue: this.queue,
      onJobs: (jobs) => {
        this.#timeLimits.note(jobs)
      },
    })
    this.#timeLimits = new TimeLimits({
      jobs: this.queue.jobCache,
      store: dependencies.store,
      executor: dependencies.executor,
      clock: this.#clock,
    })
    this.#cycles = new Cycles({
      run: () => this.#once(),
      // With many running jobs twice the duration of the last reconcile and plan, so that these use at most a third of a processor.
      gatherMs: () => (this.#thoughtMs < 1 ? 0 : 2 * this.#thoughtMs),
      nextAt: () => Math.min(this.#timeLimits.dueAt, this.#planAgainAt ?? Infinity),
      clock: this.#clock,
      log: dependencies.log,
      onCycle: dependencies.onCycle,
    })
  }

  /** Loads the state of store and executor, and starts the cycles. */
  async open(): Promise<void> {
    const { store, executor, changes } = this.#dependencies
    const { queue } = this
    // Before it opens: an executor reports then what happened while no server ran.
    executor.onEvent((event) => {
      this.#note(event)
    })
    await executor.open()
    queue.setNodes(await executor.nodes())
    await rebuildIfLost(store, this.#dependencies.policy, this.#now())
    queue.setRunHistories(await store.runHistories())
    queue.setShares(await store.shares())
    queue.setStartOutcomes(await store.startForecasts(outcomesRetained))
    await this.#reader.load()
    this.#stopReading = changes.onChange(() => {
      if (this.#reader.hasNews()) this.wake()
    })
    executor.onChange(() => {
      this.wake()
    })
    this.#cycles.open()
  }

  /** Requests a cycle. Cheap; may be called any number of times. */
  wake(): void {
    this.#cycles.wake()
  }

  /** Fulfilled when the loop is idle. Tests then advance the clock. */
  async resting(): Promise<void> {
    await this.#dependencies.changes.refresh()
    while (this.#cycles.isBusy || this.#underWay.size > 0)
      await Promise.all([this.#cycles.working, ...this.#underWay.values()])
  }

  /** Stops after the current cycle. Attempts continue to run. */
  async close(): Promise<void> {
    this.#stopReading()
    await this.#cycles.close()
    await Promise.all(this.#underWay.values())
  }

  /**
   * Fulfilled when the queue includes everything committed so far. Tasks of large arrays may follow within a second, but those of `jobs`
   * are there.
   */
  async caughtUp(jobs: readonly StoredJob[] = []): Promise<void> {
    await this.#reader.sync()
    const { jobCache } = this.queue
    if (jobs.some(({ id, state }) => state === 'queued' && jobCache.queuedJob(id) === undefined))
      await this.#reader.syncAll()
  }

  /**
   * Checks that the jobs of one or several requests are feasible and that the queue has room for all. They count as waiting from then on.
   * @throws {InvalidRequest}
   */
  admit(requests: readonly RequestedJobs[]): Entering {
    const { confirm, leave } = this.queue.admit(requests)
    return {
      confirm,
      settle: (change) => {
        if (change === undefined) leave()
        else this.#reader.whenRead(change, leave)
      },
    }
  }

  /** Attempts that run or lie in the executor's place and have no record in the store. The server leaves them alone. */
  unrecorded(): readonly Observed[] {
    return [...this.#unrecorded.values()]
  }

  /** The nodes that jobs may run on. */
  nodes(): readonly Node[] {
    return this.queue.nodes()
  }

  /**
   * The reason text of a waiting job: its place in the queue, or what its executor needs to start it. Undefined where it does not
   * wait.
   */
  reason(job: StoredJob): string | undefined {
    return job.state === 'starting'
      ? this.#waiting.get(attemptId(job.id, job.attempt))
      : this.queue.reason(job, this.#now())
  }

  /** One cycle. */
  async #once(): Promise<void> {
    const { executor } = this.#dependencies
    const { queue } = this
    const observed = await executor.list()
    this.#waiting = new Map(
      observed.flatMap(({ attemptId: id, waiting }) => (waiting === undefined ? [] : [[id, waiting]])),
    )
    queue.setNodes(await executor.nodes())
    await this.#reader.syncKnown()
    await this.#reader.loadSome()
    queue.estimateSome()
    await this.#readRecords(observed)
    const isDue = this.#now() >= this.#timeLimits.dueAt
    if (isDue) await this.#timeLimits.warn()
    const now = this.#now()
    const { jobCache } = queue
    const begun = performance.now()
    const agreement = reconcile(
      jobCache.active(),
      observed,
      (job) => jobCache.attempt(job),
      (id) => this.#records.of(id),
      now,
      this.#dependencies.waitSeconds ?? 600,
    )
    this.#noteUnrecorded(agreement.unrecorded)
    // Ends of this cycle free capacity in this cycle: an end and the start that it allows share one commit.
    const steps = [...agreement.steps, ...(isDue ? this.#timeLimits.overdue() : [])]
    using applied = queue.applyOptimistically(steps, now)
    const plan = queue.plan(now)
    this.#thoughtMs = performance.now() - begun
    this.#planAgainAt = plan.again
    applied.add(this.#placings(plan, now))
    const placed = (await this.#take(applied)).filter((job) => job.state === 'starting')
    if (isDue) this.#timeLimits.renew()

    for (const id of agreement.forget) {
      this.#told.delete(id)
      this.#timeLimits.forget(id)
      this.#call(`forget ${id}`, () => executor.forget(id))
    }
    for (const { attemptId: id, graceSeconds } of agreement.stop) {
      if (this.#told.has(id)) continue
      this.#call(`stop ${id}`, async () => {
        await executor.stop(id, graceSeconds)
        this.#told.add(id)
      })
    }
    await Promise.all([...agreement.start, ...placed].map((job) => this.#start(job)))
    // The next cycle removes ended attempts, and continues a plan that reached its size limit and the loading of a large array.
    if (steps.length > 0 || placed.length > 0 || this.#reader.isLoading || queue.isEstimating) this.wake()
  }

  #readRecords(observed: readonly Observed[]): Promise<void> {
    return this.#records.read(observed, (id) => {
      const job = this.queue.jobCache.activeJob(jobIdOf(id))
      return job !== undefined && attemptId(job.id, job.attempt) === id
    })
  }

  #noteUnrecorded(unrecorded: readonly Observed[]): void {
    const before = this.#unrecorded
    this.#unrecorded = new Map(unrecorded.map((seen) => [seen.attemptId, seen]))
    for (const { attemptId: id, phase } of unrecorded)
      if (!before.has(id))
        this.#dependencies.log.warn(
          { attemptId: id, phase },
          'attempt without a record in the database, left alone; science-platform adopt lists it',
        )
  }

  /**
   * Calls the executor without waiting: stopping an attempt or removing its files is slow and must not delay others. The next
   * cycle retries a failed call if it is still needed.
   */
  #call(what: string, call: () => Promise<void>): void {
    if (this.#underWay.has(what)) return
    const done = call()
      .catch((error: unknown) => {
        this.#dependencies.log.warn(
          { err: error, attemptId: what.slice(what.indexOf(' ') + 1) },
          'executor call failed, retrying',
        )
      })
      .finally(() => this.#underWay.delete(what))
    this.#underWay.set(what, done)
  }

  /** Commits steps. */
  async #take(applied: OptimisticSteps): Promise<StoredJob[]> {
    const { steps } = applied
    if (steps.length === 0) return []
    const outcomes = await this.#dependencies.store.step(steps)
    const taken = outcomes.map(({ job }) => job)
    applied.commit(taken)
    this.#reader.noteOwn(outcomes)
    this.#timeLimits.note(taken)
    for (const { id, state, attempt } of taken)
      this.#dependencies.log.debug({ jobId: id, attempt, state }, 'job changed state')
    return taken
  }

  async #start(job: StoredJob): Promise<void> {
    try {
      const { node } = this.queue.jobCache.attempt(job)
      await this.#dependencies.executor.start({ ...(await this.#dependencies.specOf(job)), node })
    } catch (error) {
      this.#dependencies.log.error({ err: error, jobId: job.id }, 'an attempt could not be handed to the executor')
      const cause = { code: 'start-failed', message: `It could not be started: ${(error as Error).message}` } as const
      const endedAt = this.#now()
      const step: JobStep = {
        jobId: job.id,
        at: endedAt,
        from: 'starting',
        event: { type: 'failed' },
        fields: { endedAt, cause },
        attempt: { ...this.queue.jobCache.attempt(job), endedAt, cause },
        events: [{ jobId: job.id, at: endedAt, type: 'Warning', reason: 'StartFailed', message: cause.message }],
      }
      using applied = this.queue.applyOptimistically([step], endedAt)
      await this.#take(applied)
    }
  }

  #placings({ placements }: Plan, at: number): JobStep[] {
    return placements.flatMap(({ job: { id }, node }) => {
      const job = this.queue.jobCache.queuedJob(id)
      if (job === undefined) return []
      const number = job.attempt + 1
      return {
        jobId: id,
        at,
        from: 'queued' as const,
        event: { type: 'placed' as const },
        fields: { attempt: number },
        attempt: { id: attemptId(id, number), jobId: id, number, node, placedAt: at },
        events: [{ jobId: id, at, type: 'Normal' as const, reason: 'Placed', message: `It starts on ${node}.` }],
      }
    })
  }

  #note(event: ExecutorEvent): void {
    const jobId = jobIdOf(event.attemptId)
    this.#storeEvent(jobId, event).catch((error: unknown) => {
      this.#dependencies.log.error({ err: error, jobId }, 'an event could not be stored')
    })
  }

  async #storeEvent(jobId: string, { at, type, reason, message, isRepeated }: ExecutorEvent): Promise<void> {
    const { store } = this.#dependencies
    if (isRepeated === true) {
      const known = await store.events(jobId)
      if (known.some((event) => event.reason === reason && event.at === at)) return
    }
    await store.addEvents([{ jobId, at, type, reason, message }])
  }

  #now(): number {
    return this.#clock.now()
  }
}
