import { isEnded } from '@science-platform/contract'
import type { Logger } from 'pino'
import type { AttemptSpec, Executor, ExecutorEvent, Node } from '../executor/executor.ts'
import type { JobChanges } from '../job/changes.ts'
import { attemptId, type StoredAttempt, type StoredJob } from '../job/job.ts'
import { nextState } from '../job/lifecycle.ts'
import type { JobStep, Store } from '../store/store.ts'
import { explain } from './explain.ts'
import { needs, plan, type Deferral } from './plan.ts'
import { reconcile } from './reconcile.ts'
import { Roster } from './roster.ts'

/** How often the loop looks without having been woken, in case a notification was missed. */
const restMs = 2_000

/** What the loop needs of the rest of the platform. */
export interface LoopParts {
  /** Announces what it stores to `changes`. */
  readonly store: Store
  readonly executor: Executor
  readonly changes: JobChanges
  /** Everything an executor must know of a job's attempt. */
  readonly specOf: (job: StoredJob) => Promise<AttemptSpec>
  readonly log: Logger
  readonly now?: () => number
  /** Called after every cycle, with how long it took. */
  readonly onCycle?: (seconds: number, outcome: 'done' | 'failed') => void
}

/**
 * Brings about what was promised: observe, reconcile, plan, commit, act, again and again. It decides nothing itself;
 * `reconcile` and `plan` do. One wake-up handles everything that happened until then.
 */
export class Loop {
  readonly #parts: LoopParts
  readonly #now: () => number
  readonly #roster = new Roster()
  /** Attempts that were told to end, so that each is told once. */
  readonly #told = new Set<string>()
  #nodes: readonly Node[] = []
  #deferral: Deferral | undefined
  #state: 'new' | 'resting' | 'working' | 'woken' | 'closed' = 'new'
  #timer: NodeJS.Timeout | undefined
  #cycle: Promise<void> = Promise.resolve()
  #unwatch: () => void = () => {}

  constructor(parts: LoopParts) {
    this.#parts = parts
    this.#now = parts.now ?? Date.now
  }

  /** Finds out what there is, and begins. */
  async open(): Promise<void> {
    const { store, executor, changes } = this.#parts
    await executor.open()
    this.#nodes = await executor.nodes()
    this.#unwatch = changes.watchAll((jobs) => {
      this.#roster.learn(jobs)
      this.wake()
    })
    this.#roster.learn(await store.notEnded())
    this.#roster.learnAttempts(await store.attempts([...this.#roster.active()].map((job) => job.id)))
    executor.onChange(() => {
      this.wake()
    })
    executor.onEvent((event) => {
      this.#note(event)
    })
    this.#state = 'resting'
    this.wake()
  }

  /** There is something to do. Cheap, may be called any number of times. */
  wake(): void {
    if (this.#state === 'working') this.#state = 'woken'
    if (this.#state !== 'resting') return
    this.#state = 'working'
    clearTimeout(this.#timer)
    this.#cycle = this.#work()
  }

  /** Ends after the cycle under way. Attempts go on. */
  async close(): Promise<void> {
    this.#state = 'closed'
    this.#unwatch()
    clearTimeout(this.#timer)
    await this.#cycle
  }

  /** The nodes jobs may run on. */
  nodes(): readonly Node[] {
    return this.#nodes
  }

  /** What is set aside for jobs that are starting, running or stopping. */
  allocated(): { cores: number; memoryGb: number; gpus: number } {
    const sum = { cores: 0, memoryGb: 0, gpus: 0 }
    for (const job of this.#roster.active()) {
      const { cores, memoryGb, gpus } = needs(job)
      sum.cores += cores
      sum.memoryGb += memoryGb
      sum.gpus += gpus
    }
    return sum
  }

  /** Why a job waits. */
  reason(job: StoredJob): string | undefined {
    return explain(job, { deferral: this.#deferral, ahead: job.state === 'queued' ? this.#roster.ahead(job) : 0 })
  }

  async #work(): Promise<void> {
    do {
      // One turn of the event loop, so that what happens together is handled together.
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#state === 'closed') return
      this.#state = 'working'
      const begun = performance.now()
      const tell = (outcome: 'done' | 'failed'): void =>
        this.#parts.onCycle?.((performance.now() - begun) / 1000, outcome)
      try {
        await this.#once()
        tell('done')
      } catch (error) {
        tell('failed')
        this.#parts.log.error({ err: error }, 'a cycle of the loop failed; it is tried again')
        break
      }
    } while (this.#is('woken'))
    if (this.#is('closed')) return
    this.#state = 'resting'
    this.#timer = setTimeout(() => {
      this.wake()
    }, this.#restFor())
  }

  /** One cycle. */
  async #once(): Promise<void> {
    const { executor } = this.#parts
    const observed = await executor.list()
    const agreement = reconcile(this.#roster.active(), observed, (job) => this.#roster.attempt(job), this.#now())
    const steps = [...agreement.steps, ...this.#overdue()]
    // What ends in this cycle makes room in this cycle: an ending and the start it allows share one commit.
    const ending = new Set(steps.filter((step) => isEnded(nextState(step.from, step.event))).map((step) => step.jobId))
    const active = this.#activeOnNodes().filter(({ job }) => !ending.has(job.id))
    const { placements, deferral } = plan({ nodes: this.#nodes, active, queued: this.#roster.queued() })
    this.#deferral = deferral
    const all = [...steps, ...placements.map(({ job, node }) => this.#placing(job, node))]
    const placed = all.length === 0 ? [] : (await this.#take(all)).filter((job) => job.state === 'starting')

    for (const id of agreement.forget) {
      this.#told.delete(id)
      await executor.forget(id)
    }
    for (const { attemptId: id, graceSeconds } of agreement.stop) {
      if (this.#told.has(id)) continue
      await executor.stop(id, graceSeconds)
      this.#told.add(id)
    }
    await Promise.all([...agreement.start, ...placed].map((job) => this.#start(job)))
    if (steps.length > 0) this.wake()
  }

  /** Commits steps. The roster learns of them through the store's announcement. */
  async #take(steps: readonly JobStep[]): Promise<StoredJob[]> {
    const taken = await this.#parts.store.step(steps)
    const ids = new Set(taken.filter((job) => !isEnded(job.state)).map((job) => job.id))
    this.#roster.learnAttempts(steps.flatMap(({ jobId, attempt }) => (attempt && ids.has(jobId) ? [attempt] : [])))
    for (const { id, state, attempt } of taken)
      this.#parts.log.debug({ jobId: id, attempt, state }, 'job changed state')
    return taken
  }

  async #start(job: StoredJob): Promise<void> {
    try {
      await this.#parts.executor.start(await this.#parts.specOf(job))
    } catch (error) {
      this.#parts.log.error({ err: error, jobId: job.id }, 'an attempt could not be handed to the executor')
      const cause = { code: 'start-failed', message: `It could not be started: ${(error as Error).message}` } as const
      const endedAt = this.#now()
      await this.#take([
        {
          jobId: job.id,
          from: 'starting',
          event: { type: 'failed' },
          change: { endedAt, cause },
          attempt: { ...this.#roster.attempt(job), endedAt, cause },
          events: [{ jobId: job.id, at: endedAt, type: 'Warning', reason: 'StartFailed', message: cause.message }],
        },
      ])
    }
  }

  #placing(job: StoredJob, node: string): JobStep {
    const number = job.attempt + 1
    const at = this.#now()
    const attempt: StoredAttempt = { id: attemptId(job.id, number), jobId: job.id, number, node, placedAt: at }
    return {
      jobId: job.id,
      from: 'queued',
      event: { type: 'placed' },
      change: { attempt: number },
      attempt,
      events: [{ jobId: job.id, at, type: 'Normal', reason: 'Placed', message: `It starts on ${node}.` }],
    }
  }

  /** Jobs that have run for as long as they may. */
  #overdue(): JobStep[] {
    const at = this.#now()
    return [...this.#roster.active()]
      .filter((job) => job.state === 'running' && job.deadlineAt !== undefined && job.deadlineAt <= at)
      .map((job) => ({
        jobId: job.id,
        from: 'running' as const,
        event: { type: 'timeLimitReached' as const },
        change: { stopReason: 'time-limit' as const },
        events: [
          {
            jobId: job.id,
            at,
            type: 'Warning' as const,
            reason: 'TimeLimit',
            message: `It ran for its ${job.timeSeconds} seconds and is ended.`,
          },
        ],
      }))
  }

  #activeOnNodes(): { job: StoredJob; node: string }[] {
    return [...this.#roster.active()].map((job) => ({ job, node: this.#roster.attempt(job).node }))
  }

  #note({ attemptId: id, at, type, reason, message }: ExecutorEvent): void {
    const jobId = id.slice(0, id.lastIndexOf('-'))
    this.#parts.store.addEvents([{ jobId, at, type, reason, message }]).catch((error: unknown) => {
      this.#parts.log.error({ err: error, jobId }, 'an event could not be stored')
    })
  }

  #restFor(): number {
    const now = this.#now()
    let rest = restMs
    for (const { state, deadlineAt } of this.#roster.active()) {
      if (state === 'running' && deadlineAt !== undefined) rest = Math.min(rest, Math.max(0, deadlineAt - now))
    }
    return rest
  }

  /** Read through a method since it changes while a cycle waits, which the compiler cannot see. */
  #is(state: 'woken' | 'closed'): boolean {
    return this.#state === state
  }
}
