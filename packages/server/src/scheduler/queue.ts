import { isEnded } from '@science-platform/contract'
import type { Node } from '../executor/executor.ts'
import type { RequestedJobs, StoredAttempt, StoredJob } from '../job/job.ts'
import type { Capacity } from '../job/resources.ts'
import type {
  EstimateScores,
  JobStep,
  StartForecast,
  StoredHolder,
  StoredRunHistory,
  StoredShare,
} from '../store/store.ts'
import { type OffPeakHours, offPeakHoursOf } from '../configuration/policy/off-peak.ts'
import type { Policy } from '../configuration/policy/policy.ts'
import type { JobCache } from './cache/job-cache.ts'
import { needsOf } from './cache/planned-job.ts'
import { SchedulerCache } from './cache/scheduler-cache.ts'
import { emptySnapshot, type Plan, type PlannerEvent, type Reservation, type Snapshot } from './cache/snapshot.ts'
import { answer, type Answers, type QuestionKind, type Questions } from './answers/questions.ts'
import type { WhyQuestion } from './explain/explain.ts'
import { sumOf } from './explain/overview.ts'
import { waitText } from './explain/why.ts'
import { placementsPerPlan, PlannerPair } from './forecast/planner-pair.ts'
import { type GivenForecast, StartForecasts } from './forecast/start-forecasts.ts'
import { OptimisticSteps } from './planner/optimistic-steps.ts'
import { AdmissionControl, type Admission } from './rules/admission-control.ts'
import type { QuotaHolderName } from './rules/quota-holder-name.ts'

/** As long as `retention.jobsDays` says by default. */
const keepRunsMs = 365 * 86_400_000

/**
 * The queue in memory: a cache of the store, the planners that its events keep up to date, and what they answer. It composes the
 * parts and does no I/O.
 */
export class Queue {
  readonly #policy: Policy
  readonly #offPeak: OffPeakHours | undefined
  readonly #planners: PlannerPair
  readonly #cache: SchedulerCache
  readonly #admission: AdmissionControl
  #starts = new StartForecasts()
  readonly #listeners = new Set<(event: PlannerEvent) => void>()

  /** @param runsMs - How long a run history without a run is kept: as long as the store keeps it. */
  constructor(policy: Policy, now: number, runsMs = keepRunsMs) {
    this.#policy = policy
    this.#offPeak = offPeakHoursOf(policy)
    this.#planners = new PlannerPair(emptySnapshot(now, policy))
    this.#cache = new SchedulerCache(
      (event) => {
        this.#planners.apply(event)
        for (const listener of this.#listeners) listener(event)
      },
      runsMs,
      policy,
    )
    this.#admission = new AdmissionControl(policy, this.#offPeak, this.#cache)
  }

  get jobCache(): JobCache {
    return this.#cache.jobs
  }

  /** The nodes that jobs may run on. */
  nodes(): readonly Node[] {
    return this.#cache.nodes()
  }

  setNodes(nodes: readonly Node[]): void {
    this.#cache.setNodes(nodes)
  }

  /** Before any job is upserted: a job's estimate comes from them. */
  setRunHistories(histories: readonly StoredRunHistory[]): void {
    this.#cache.setRunHistories(histories)
  }

  /** What came of earlier forecasts, newest last. */
  setStartOutcomes(outcomes: readonly StartForecast[]): void {
    this.#starts = new StartForecasts(outcomes)
  }

  setShares(shares: readonly StoredShare[]): void {
    this.#cache.setShares(shares)
  }

  setHolders(holders: readonly StoredHolder[]): void {
    this.#cache.setHolders(holders)
  }

  upsertHolder(holder: StoredHolder): void {
    this.#cache.upsertHolder(holder)
  }

  removeHolder(name: QuotaHolderName): void {
    this.#cache.removeHolder(name)
  }

  /** An active job has its allocation from when its attempt is upserted too. */
  upsertJobs(jobs: readonly StoredJob[]): void {
    this.#cache.upsertJobs(jobs)
    this.#admission.entered(jobs)
    for (const { id, state } of jobs) if (isEnded(state) || state === 'held') this.#starts.remove(id)
  }

  /** The latest attempts of active jobs. */
  upsertAttempts(attempts: readonly StoredAttempt[]): void {
    this.#cache.upsertAttempts(attempts)
  }

  /** Whether waiting jobs still have an old estimate of their run time. */
  get isEstimating(): boolean {
    return this.#cache.isEstimating
  }

  /** Gives some waiting jobs the estimate that a run of a similar job has changed. */
  estimateSome(): void {
    this.#cache.estimateSome()
  }

  /** See {@link AdmissionControl.admit}. */
  admit(requests: readonly RequestedJobs[]): Admission {
    return this.#admission.admit(requests)
  }

  /** What to do now. */
  plan(now: number): Plan {
    return this.#planners.deciding.plan(now, placementsPerPlan)
  }

  /** See {@link OptimisticSteps}: declare the result with `using`. */
  applyOptimistically(steps: readonly JobStep[], now: number): OptimisticSteps {
    const applied = new OptimisticSteps(
      {
        cache: this.#cache,
        starts: () => this.#starts,
        policy: this.#policy,
        offPeak: this.#offPeak,
        nodesQueueJobs: () => this.#planners.nodesQueueJobs,
      },
      now,
    )
    applied.add(steps)
    return applied
  }

  /** A waiting job without a forecast, chosen by chance; undefined where there is none or the chosen one has a forecast. */
  jobToForecast(random: () => number): string | undefined {
    const { queueLength } = this.jobCache
    if (queueLength === 0) return undefined
    const [job] = Iterator.from(this.jobCache.queued())
      .drop(Math.floor(random() * queueLength))
      .take(1)
    return job === undefined || this.#starts.has(job.id) ? undefined : job.id
  }

  /** Why a job waits, in a sentence; undefined where it does not. */
  reason(job: StoredJob, now: number): string | undefined {
    if (job.state === 'held') return heldText
    const reason = job.state === 'queued' ? this.#planners.deciding.reasonOf(job.id, now) : undefined
    return reason && waitText(reason, job, now, this.#policy)
  }

  /** Answers a question in this thread; in production a worker does (`answers/`). Plan before. */
  answer<K extends QuestionKind>(kind: K, question: Questions[K], now: number): Answers[K] {
    return answer(this.#planners, kind, question, now)
  }

  /** The question why a job waits. */
  whyQuestion(job: StoredJob, scores: EstimateScores): WhyQuestion {
    const expectation = this.#cache.expectation(job)
    return { job, expectation, outcomes: this.outcomes, scores, policy: this.#policy }
  }

  /** What came of earlier forecasts, newest last. */
  get outcomes(): readonly StartForecast[] {
    return this.#starts.outcomes
  }

  /** A user was given this forecast of a job's start. */
  recordForecast(jobId: string, given: GivenForecast): void {
    this.#starts.record(jobId, given)
  }

  /** What starting, running and stopping jobs are allocated. */
  allocated(): Capacity {
    return sumOf(Iterator.from(this.jobCache.active()).map((job) => ({ needs: needsOf(job) })))
  }

  /** The present state, which later events do not change. A worker begins with it and applies every event that follows. */
  snapshot(): Snapshot {
    return this.#planners.deciding.copiedSnapshot()
  }

  /** The reservations of the last plan. */
  reservations(): readonly Reservation[] {
    return this.#planners.deciding.reservations()
  }

  /** Every event from now on. */
  onEvent(listener: (event: PlannerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

const heldText = 'It is held: release it to let it go on.'
