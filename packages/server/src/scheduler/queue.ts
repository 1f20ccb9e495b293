import type { QueueOverview, Why } from '@science-platform/contract'
import { isEnded } from '@science-platform/contract'
import type { Node } from '../executor/executor.ts'
import type { NewJob, StoredAttempt, StoredJob } from '../job/job.ts'
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
import { emptySnapshot, type Plan, type PlannerEvent, type Snapshot } from './cache/snapshot.ts'
import { explain, forecastStart, type WhyQuestion } from './explain/explain.ts'
import { overviewOf, sumOf } from './explain/overview.ts'
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
    this.#cache = new SchedulerCache((event) => {
      this.#planners.apply(event)
      for (const listener of this.#listeners) listener(event)
    }, runsMs)
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

  /** See {@link AdmissionControl.admit}. */
  admit(jobs: readonly NewJob[]): Admission {
    return this.#admission.admit(jobs)
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

  /** Forecasts the start of one waiting job without a forecast, so that forecasts are scored although no user asks. */
  forecastOne(now: number, random: () => number): void {
    const { queueLength } = this.jobCache
    if (queueLength === 0) return
    const [job] = Iterator.from(this.jobCache.queued())
      .drop(Math.floor(random() * queueLength))
      .take(1)
    if (job === undefined || this.#starts.has(job.id)) return
    const given = forecastStart(this.#planners, job.id, this.#starts.outcomes, now)
    if (given !== undefined) this.#starts.record(job.id, given)
  }

  /** Why a job waits, in a sentence; undefined where it does not. */
  reason(job: StoredJob, now: number): string | undefined {
    if (job.state === 'held') return heldText
    const reason = job.state === 'queued' ? this.#planners.deciding.reasonOf(job.id, now) : undefined
    return reason && waitText(reason, job, now, this.#policy)
  }

  /** Why a job waits, in full. The forecast that it gives is scored when the job starts. */
  why(job: StoredJob, now: number, scores: EstimateScores): Why {
    const { why, given } = explain(this.#planners, this.whyQuestion(job, scores), now)
    if (given !== undefined) this.recordForecast(job.id, given)
    return why
  }

  /** The question for {@link explainIn}, for a worker thread. */
  whyQuestion(job: StoredJob, scores: EstimateScores): WhyQuestion {
    const expectation = this.#cache.expectation(job)
    return { job, expectation, outcomes: this.#starts.outcomes, scores, policy: this.#policy }
  }

  /** A user was given this forecast of a job's start. */
  recordForecast(jobId: string, given: GivenForecast): void {
    this.#starts.record(jobId, given)
  }

  /** What starting, running and stopping jobs are allocated. */
  allocated(): Capacity {
    return sumOf(Iterator.from(this.jobCache.active()).map((job) => ({ needs: needsOf(job) })))
  }

  /** The queue as a whole, and what of it some users and groups have. */
  overview(quotaHolders: readonly QuotaHolderName[], now: number, scores: EstimateScores): QueueOverview {
    const cache = this.#cache
    const { deciding, forecasting } = this.#planners
    const facts = {
      now,
      policy: this.#policy,
      offPeak: this.#offPeak,
      nodes: cache.nodes(),
      active: [...deciding.snapshot().active],
      waiting: deciding.waiting(),
      largestFree: forecasting.largestFree(),
      usage: [...cache.shares()],
      settingsOf: (name: QuotaHolderName) => cache.settingsOf(name),
      queuedCount: ({ kind, name }: QuotaHolderName) => cache.jobs.queuedCount(kind, name),
      scores,
    }
    return overviewOf(facts, quotaHolders)
  }

  /** The present state as plain data, for {@link explainIn} and {@link overviewIn} in a worker thread. */
  snapshot(): Snapshot {
    return plainSnapshot(this.#planners.deciding.snapshot())
  }

  /** Every event from now on. A worker thread that applies them to a `PlannerPair` of {@link snapshot} stays up to date. */
  onEvent(listener: (event: PlannerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

const heldText = 'It is held: release it to let it go on.'

/** With arrays in place of iterators, which a structured clone cannot copy. */
const plainSnapshot = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  nodes: [...snapshot.nodes],
  queued: [...snapshot.queued],
  active: [...snapshot.active],
  usage: [...snapshot.usage],
  users: new Map(snapshot.users),
  groups: new Map(snapshot.groups),
  served: new Map(snapshot.served),
  reservations: [...snapshot.reservations],
})
