import { isEnded } from '@science-platform/contract'
import type { StoredJob } from '../../job/job.ts'
import { nextState } from '../../job/lifecycle.ts'
import type { JobStep, StoredRun } from '../../store/store.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import { isActive } from '../cache/job-cache.ts'
import { activeJobOf } from '../cache/planned-job.ts'
import { outcomeOf } from '../cache/run-histories.ts'
import type { SchedulerCache } from '../cache/scheduler-cache.ts'
import type { StartForecasts } from '../forecast/start-forecasts.ts'
import { classOf, type JobClass } from '../rules/job-class.ts'
import { usageAfter } from '../rules/share.ts'
import { percentile } from '../../lib/quantiles.ts'

/** What optimistic steps change. */
export interface OptimisticState {
  readonly cache: SchedulerCache
  readonly starts: () => StartForecasts
  readonly policy: Policy
  readonly offPeak: OffPeakHours | undefined
  /** A placed job may still wait in its node's own queue: its start is scored when it runs. */
  readonly nodesQueueJobs: () => boolean
}

interface AppliedStep {
  readonly step: JobStep
  readonly commit: () => void
  readonly undo: () => void
}

/**
 * Steps that are applied before their commit: a plan in the same cycle may use the capacity that an ending frees. Declare it with
 * `using`: where the scope ends without a commit, also by a throw, all of it is rolled back.
 *
 *     using applied = queue.applyOptimistically(endings, now)
 *     const placings = applied.add(placingsOf(queue.plan(now)))
 *     applied.commit(await store.step(applied.steps))
 */
export class OptimisticSteps implements Disposable {
  readonly #state: OptimisticState
  readonly #now: number
  #applied: AppliedStep[] = []

  constructor(state: OptimisticState, now: number) {
    this.#state = state
    this.#now = now
  }

  /** All steps, with the charge, run history and scores that the store is to keep with them. */
  get steps(): readonly JobStep[] {
    return this.#applied.map(({ step }) => step)
  }

  /** Applies more steps. @returns them as {@link steps} has them. */
  add(steps: readonly JobStep[]): readonly JobStep[] {
    const before = this.#applied.length
    for (const step of steps) this.#applied.push(this.#apply(step))
    return this.steps.slice(before)
  }

  /** The store took the steps of these jobs: they are as given. Steps of other jobs came too late and are rolled back. */
  commit(taken: readonly StoredJob[]): void {
    const ids = new Set(taken.map(({ id }) => id))
    const applied = this.#applied
    this.#applied = []
    this.#undo(applied.filter(({ step }) => !ids.has(step.jobId)))
    const { cache } = this.#state
    cache.upsertJobs(taken)
    const active = new Set(taken.filter(isActive).map(({ id }) => id))
    for (const { step, commit } of applied) {
      if (!ids.has(step.jobId)) continue
      commit()
      if (step.attempt !== undefined && active.has(step.jobId)) cache.upsertAttempts([step.attempt])
    }
  }

  /** No step was stored. */
  rollBack(): void {
    const applied = this.#applied
    this.#applied = []
    this.#undo(applied)
  }

  [Symbol.dispose](): void {
    this.rollBack()
  }

  /** The last step first: each finds the state that it left. */
  #undo(applied: readonly AppliedStep[]): void {
    for (const { undo } of applied.toReversed()) undo()
  }

  #apply(step: JobStep): AppliedStep {
    const { cache, nodesQueueJobs } = this.#state
    const isStart = step.event.type === (nodesQueueJobs() ? 'started' : 'placed')
    if (isStart) return this.#applyStart(step)
    const job = cache.jobs.activeJob(step.jobId)
    const isEnd = step.event.type === 'returned' || isEnded(nextState(step.from, step.event))
    return job === undefined || !isEnd ? unchanged(step) : this.#applyEnd(step, job)
  }

  /** The forecast of the job's start is scored. */
  #applyStart(step: JobStep): AppliedStep {
    const scored = this.#state.starts().started(step.jobId, this.#now)
    if (scored === undefined) return unchanged(step)
    const { score, forecast, undo } = scored
    return { step: { ...step, scores: [score], forecast }, commit: () => {}, undo }
  }

  /** The job's allocation is free, its association is charged, and where it has ended its run time is known. */
  #applyEnd(step: JobStep, job: StoredJob): AppliedStep {
    const { cache, policy, offPeak } = this.#state
    const endedAt = step.attempt?.endedAt ?? step.fields?.endedAt ?? this.#now
    const ended = { ...activeJobOf(job, cache.jobs.attempt(job), { estimateSeconds: job.timeSeconds }), endedAt }
    const association = { user: job.owner, ...(job.group === undefined ? {} : { group: job.group }) }
    const next = (share: Parameters<typeof usageAfter>[0]) => usageAfter(share, ended, policy, offPeak)
    cache.emitGone(job.id)
    const charge = cache.charge(association, next)
    const run = runOf(step, classOf(ended.needs, policy))
    const added = run && this.#addRun(job, run)
    return {
      step: { ...step, charge: { ...association, next }, ...added?.records },
      commit: charge.commit,
      undo: () => {
        added?.undo()
        charge.undo()
        cache.emitActive(job.id)
      },
    }
  }

  /** Adds the run to its history, and scores the run time that was expected. */
  #addRun(job: StoredJob, run: StoredRun): { records: Pick<JobStep, 'history' | 'scores'>; undo: () => void } {
    const expected = this.#state.cache.expectation(job)
    const { stored, undo } = this.#state.cache.addRun(job, run)
    if (expected === undefined) return { records: { history: stored }, undo }
    const outcome = outcomeOf(run.seconds, percentile(expected.seconds, 0.1), percentile(expected.seconds, 0.9))
    return { records: { history: stored, scores: [{ what: 'run', outcome, at: run.endedAt }] }, undo }
  }
}

const unchanged = (step: JobStep): AppliedStep => ({ step, commit: () => {}, undo: () => {} })

/** The run that a step ends, where it says something about the next: the command ended with success, or the job met its limit. */
function runOf({ attempt, fields }: JobStep, jobClass: JobClass): StoredRun | undefined {
  const { startedAt, endedAt, usage } = attempt ?? {}
  const { cause, exitCode } = fields ?? {}
  const isComplete = (cause?.code === 'exited' && exitCode === 0) || cause?.code === 'time-limit'
  if (!isComplete || startedAt === undefined || endedAt === undefined) return undefined
  // Page cache is no need of the job: the kernel takes it back.
  const peakBytes = usage?.residentPeakBytes ?? usage?.memoryPeakBytes
  const seconds = Math.round(endedAt - startedAt) / 1000
  return { endedAt, seconds: Math.max(0, seconds), jobClass, ...(peakBytes === undefined ? {} : { peakBytes }) }
}
