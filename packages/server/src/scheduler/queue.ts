import { isEnded, type JobState, type QueueOverview, type Why } from '@science-platform/contract'
import type { Node } from '../executor/executor.ts'
import type { NewJob, StoredAttempt, StoredJob } from '../job/job.ts'
import { activeStates, nextState } from '../job/lifecycle.ts'
import type { Capacity } from '../job/resources.ts'
import type {
  EstimateScores,
  JobStep,
  StartForecast,
  StoredHolder,
  StoredRun,
  StoredRunHistory,
  StoredShare,
} from '../store/store.ts'
import { holdersOf, requirePossible, requireRoom, type HolderName } from './rules/admission.ts'
import { forecast } from './forecast/forecast.ts'
import { classOf } from './cache/lane.ts'
import { type OffPeakHours, offPeakHoursOf } from '../configuration/policy/off-peak.ts'
import { activeJobOf, needsOf, queuedJobOf } from './cache/planned-job.ts'
import { Planner } from './planner/planner.ts'
import { JobCache } from './cache/job-cache.ts'
import { type Expectation, outcomeOf, percentile, RunHistories } from './cache/run-histories.ts'
import { soonerOf, suitsRuns } from './explain/advice.ts'
import type { Holder, Policy } from '../configuration/policy/policy.ts'
import type { Plan, PlannerEvent } from './cache/snapshot.ts'
import { StartForecasts, type ExpectedStart } from './forecast/start-forecasts.ts'
import { decayed, usageAfter } from './rules/share.ts'
import { instantText, scoreView, whyOf } from './explain/why.ts'
import { words } from './explain/reason-text.ts'

/** How many jobs one plan starts at most, so that a cycle stays short; the next goes on. */
const mostAtOnce = 500

/**
 * The queue as it is now, in memory: jobs, nodes, shares, limits and run times, told to the planner as they change. It
 * does no I/O, and what it decides the planner decides.
 */
export class Queue {
  readonly jobCache = new JobCache()
  readonly #policy: Policy
  readonly #openedAt: number
  readonly #offPeak: OffPeakHours | undefined
  readonly #planner: Planner
  /**
   * Where nodes take on more than they run at once and queue it themselves: those nodes as they are, with what runs on them,
   * and all else still waiting. By it starts are foretold; what is handed over `#planner` decides. Undefined elsewhere.
   */
  #behind: Planner | undefined
  #histories = new RunHistories()
  #nodes: readonly Node[] = []
  readonly #shares = new Map<string, StoredShare>()
  readonly #holders = new Map<string, StoredHolder>()
  /** Jobs that were admitted and are not stored yet, by who would hold them. */
  readonly #entering = new Map<string, number>()
  #starts = new StartForecasts()

  constructor(policy: Policy, now: number) {
    this.#policy = policy
    this.#openedAt = now
    this.#offPeak = offPeakHoursOf(policy)
    this.#planner = emptyPlanner(policy, now)
  }

  /** The nodes jobs may run on. */
  nodes(): readonly Node[] {
    return this.#nodes
  }

  /** These are the nodes now. */
  learnNodes(nodes: readonly Node[]): void {
    if (this.#behind === undefined && nodes.some(({ largestJob }) => largestJob !== undefined)) this.#lookBehind()
    const before = new Map(this.#nodes.map((node) => [node.name, node]))
    const now = new Map(nodes.map((node) => [node.name, node]))
    for (const name of before.keys()) if (!now.has(name)) this.#tell({ type: 'nodeGone', name })
    for (const [name, node] of now) if (!isSame(before.get(name), node)) this.#tellNode(node)
    this.#nodes = nodes
  }

  /** These runs have ended. To be told before any job. */
  learnHistories(histories: readonly StoredRunHistory[]): void {
    this.#histories = new RunHistories(histories)
  }

  /** So long jobs waited of which a start was told, newest last. */
  learnStarts(outcomes: readonly StartForecast[]): void {
    this.#starts = new StartForecasts(outcomes)
  }

  /** This is what everybody has used, and others nothing. */
  learnShares(shares: readonly StoredShare[]): void {
    const keys = new Set(shares.map(shareKey))
    for (const [key, share] of this.#shares) if (!keys.has(key)) this.#learnShare({ ...share, coreHours: 0 })
    for (const share of shares) this.#learnShare(share)
  }

  /** This is what is set for users and groups, and nothing else is. */
  learnHolders(holders: readonly StoredHolder[]): void {
    const now = new Map(holders.map((holder) => [keyOf(holder), holder]))
    for (const [key, { kind, name }] of this.#holders)
      if (!now.has(key)) this.#tell({ type: kind, name, holder: undefined })
    for (const [key, holder] of now)
      if (this.#holders.get(key)?.setAt !== holder.setAt)
        this.#tell({ type: holder.kind, name: holder.name, holder: settings(holder) })
    this.#holders.clear()
    for (const [key, holder] of now) this.#holders.set(key, holder)
  }

  /** These jobs are now as they are here. An active one holds capacity once its attempt is learned too. */
  learn(jobs: readonly StoredJob[]): void {
    for (const job of jobs) {
      this.jobCache.learn(job)
      if (job.state === 'queued') this.#tellQueued(job)
      else if (!isActive(job.state)) {
        this.#tell({ type: 'gone', id: job.id })
        this.#starts.forget(job.id)
      }
    }
  }

  /** The latest attempts of active jobs. */
  learnAttempts(attempts: readonly StoredAttempt[]): void {
    for (const attempt of attempts) {
      this.jobCache.learnAttempt(attempt)
      this.#tellActive(attempt.jobId)
    }
  }

  /**
   * Makes sure that jobs of one request can run some day and that there is room for them to wait. They count as waiting
   * from then on, until the returned function is called: when they are learned, or were not stored.
   * @throws {InvalidRequest} naming what is too much.
   */
  admit(jobs: readonly NewJob[]): () => void {
    const [first] = jobs
    if (first === undefined) return () => {}
    const setFor = (holder: HolderName): Holder | undefined => {
      const set = this.#holders.get(keyOf(holder))
      return set && settings(set)
    }
    const state = {
      nodes: this.#nodes,
      policy: this.#policy,
      offPeak: this.#offPeak,
      setFor,
      waiting: (holder: HolderName) => this.#waiting(holder),
    }
    requirePossible(first, state)
    requireRoom(first, jobs.length, state)
    const keys = holdersOf(first).map(keyOf)
    const count = (change: number): void => {
      for (const key of keys) this.#entering.set(key, (this.#entering.get(key) ?? 0) + change)
    }
    count(jobs.length)
    return () => {
      count(-jobs.length)
    }
  }

  /** What to do now. */
  plan(now: number): Plan {
    return this.#planner.plan(now, mostAtOnce)
  }

  /** What comes of the start that was told of a job which is placed now. Where nodes queue themselves it has not started yet. */
  placing(job: StoredJob, now: number): Pick<JobStep, 'scores' | 'forecast'> {
    return this.#behind === undefined ? this.#starting(job, now) : {}
  }

  #starting(job: StoredJob, now: number): Pick<JobStep, 'scores' | 'forecast'> {
    const started = this.#starts.started(job.id, now)
    return started === undefined ? {} : { scores: [started.score], forecast: started.forecast }
  }

  /** Forecasts the start of one waiting job of which nothing was told, so that forecasts are known to be good or bad. */
  forecastOne(now: number, random: () => number): void {
    const waiting = this.jobCache.queueLength
    if (waiting === 0) return
    const [job] = Iterator.from(this.jobCache.queued())
      .drop(Math.floor(random() * waiting))
      .take(1)
    if (job !== undefined && !this.#starts.has(job.id)) this.#expectedStart(job.id, now)
  }

  /**
   * A step that ends an active job, with what is charged for it, what it teaches, and what comes of the run time that was
   * expected; one that starts a job, with what comes of the start that was told of it; others as they are. What an ended one
   * held is free from here on: a plan may count on it that shares the commit.
   */
  foresee(step: JobStep, now: number): JobStep {
    const job = this.jobCache.activeJob(step.jobId)
    if (job !== undefined && step.event.type === 'started' && this.#behind !== undefined)
      return { ...step, ...this.#starting(job, now) }
    if (job === undefined || !isEnded(nextState(step.from, step.event))) return step
    const endedAt = step.change?.endedAt ?? now
    const ended = { ...activeJobOf(job, this.jobCache.attempt(job), undefined), endedAt }
    const next = (share: StoredShare | undefined): StoredShare => usageAfter(share, ended, this.#policy, this.#offPeak)
    const who = { user: job.owner, ...(job.group === undefined ? {} : { group: job.group }) }
    this.#tell({ type: 'gone', id: job.id })
    this.#learnShare(next(this.#shares.get(shareKey(who))))
    const run = runOf(step)
    return { ...step, charge: { ...who, next }, ...(run === undefined ? {} : this.#learnRun(job, run)) }
  }

  /** Foreseen endings that did not come about: the jobs hold what they held, and shares are as they are stored. */
  takeBack(steps: readonly JobStep[], shares: readonly StoredShare[]): void {
    for (const { jobId } of steps) this.#tellActive(jobId)
    this.learnShares(shares)
  }

  /** Why a job waits, in a sentence; undefined where it does not. */
  reason(job: StoredJob, now: number): string | undefined {
    if (job.state === 'held') return 'It is held: release it to let it go on.'
    const reason = job.state === 'queued' ? this.#planner.reasonOf(job.id, now) : undefined
    return reason && words(reason, instantText, this.#policy.offPeak?.timezone)
  }

  /** Why a job waits, at length. What is told of its start is held against what happens. */
  why(job: StoredJob, now: number, scores: EstimateScores): Why {
    const { id } = job
    const isWaiting = job.state === 'queued'
    const isHandedOver = job.state === 'starting' && this.#behind !== undefined
    const expectation = isEnded(job.state) ? undefined : this.#histories.expectation(job)
    return whyOf({
      job,
      now,
      policy: this.#policy,
      jobClass: classOf(needsOf(job), this.#policy),
      waiting: this.jobCache.queueLength,
      reason: isWaiting ? this.#planner.reasonOf(id, now) : undefined,
      ahead: this.#planner.ahead(id, now),
      priority: this.#planner.priorityOf(id, now),
      expectation,
      start: isWaiting || isHandedOver ? this.#expectedStart(id, now) : undefined,
      sooner: isWaiting ? this.#sooner(job, expectation, now) : [],
      scores,
    })
  }

  /** What is set aside for jobs that start, run or stop. */
  allocated(): Capacity {
    return sumOf(this.jobCache.active())
  }

  /** The queue as a whole, and what of it some users and groups have. */
  overview(holders: readonly HolderName[], now: number, scores: EstimateScores): QueueOverview {
    const capacity = this.#nodes.reduce(add, none)
    const held = this.allocated()
    return {
      nodes: this.#nodes.length,
      capacity,
      free: add(capacity, { cores: -held.cores, memoryGb: -held.memoryGb, gpus: -held.gpus }),
      largestFree: [...(this.#behind ?? this.#planner).largestFree()],
      running: this.jobCache.activeCount,
      waiting: this.#planner.waiting(),
      ...(this.#offPeak === undefined ? {} : { offPeak: windowView(this.#offPeak, now) }),
      holders: holders.map((holder) => this.#holderView(holder, now)),
      scores: { start: scoreView(scores.start), run: scoreView(scores.run) },
    }
  }

  #sooner(job: StoredJob, expectation: Expectation | undefined, now: number): Why['sooner'] {
    const found = this.#planner.whatWouldStart(job.id, now, (change) => suitsRuns(change, expectation))
    return soonerOf(found, job, expectation)
  }

  #expectedStart(jobId: string, now: number): ExpectedStart | undefined {
    const planner = this.#behind ?? this.#planner
    const earliest = planner.earliestStart(jobId, now)
    // What is certain is not estimated: how long it takes from then on.
    const draws = forecast(planner, jobId, now, now)?.map((seconds) => Math.max(0, seconds - (earliest - now) / 1000))
    return draws && this.#starts.tell(jobId, draws, earliest)
  }

  #holderView({ kind, name }: HolderName, now: number): QueueOverview['holders'][number] {
    const isTheirs = (of: { readonly user?: string; readonly owner?: string; readonly group?: string }): boolean =>
      (kind === 'group' ? of.group : (of.user ?? of.owner)) === name
    const jobs = [...this.jobCache.active()].filter(isTheirs)
    const set = this.#holders.get(keyOf({ kind, name }))
    const { offPeak, ...always } = { ...this.#policy.limits[kind], ...set?.limits }
    const shares = [...this.#shares.values()].filter(isTheirs)
    return {
      kind,
      name,
      holds: { ...sumOf(jobs), running: jobs.length, queued: this.jobCache.waiting(kind, name) },
      limits: { ...always, ...(offPeak === undefined ? {} : { offPeak }) },
      coreHours: shares.reduce((sum, share) => sum + decayed(share, now, this.#policy.halfLifeHours), 0),
    }
  }

  #learnRun(job: StoredJob, run: StoredRun): Pick<JobStep, 'history' | 'scores'> {
    const told = this.#histories.expectation(job)
    const { stored, isNews } = this.#histories.learn(job, run)
    if (isNews) for (const waiting of this.jobCache.alike(job)) this.#tellQueued(waiting)
    if (told === undefined) return { history: stored }
    const outcome = outcomeOf(run.seconds, percentile(told.seconds, 0.1), percentile(told.seconds, 0.9))
    return { history: stored, scores: [{ what: 'run', outcome, at: run.endedAt }] }
  }

  #learnShare(share: StoredShare): void {
    this.#shares.set(shareKey(share), share)
    this.#tell({ type: 'usage', usage: share })
  }

  #tellQueued(job: StoredJob): void {
    this.#tell({ type: 'queued', job: queuedJobOf(job, this.#histories.expectation(job)) })
  }

  #tellActive(jobId: string): void {
    const job = this.jobCache.activeJob(jobId)
    if (job === undefined) return
    const active = activeJobOf(job, this.jobCache.attempt(job), this.#histories.expectation(job))
    this.#tell({ type: 'placed', job: active })
  }

  #tell(event: PlannerEvent): void {
    this.#planner.tell(event)
    if (this.#behind !== undefined) this.#tellBehind(this.#behind, event)
  }

  #tellBehind(behind: Planner, event: PlannerEvent): void {
    if (event.type !== 'placed') return behind.tell(event)
    const job = this.jobCache.activeJob(event.job.id)
    if (job?.state === 'starting')
      behind.tell({ type: 'queued', job: queuedJobOf(job, this.#histories.expectation(job)) })
    else behind.tell({ ...event, job: { ...event.job, placedAt: job?.startedAt ?? event.job.placedAt } })
  }

  #tellNode(node: Node): void {
    this.#planner.tell({ type: 'node', node })
    this.#behind?.tell({ type: 'node', node: { ...node, ...node.largestJob } })
  }

  /** Begins to look behind the queue of the nodes: tells all that is known once more. */
  #lookBehind(): void {
    this.#behind = emptyPlanner(this.#policy, this.#openedAt)
    for (const usage of this.#shares.values()) this.#tell({ type: 'usage', usage })
    for (const holder of this.#holders.values())
      this.#tell({ type: holder.kind, name: holder.name, holder: settings(holder) })
    for (const job of this.jobCache.queued()) this.#tellQueued(job)
    for (const job of this.jobCache.active()) this.#tellActive(job.id)
  }

  #waiting(holder: HolderName): number {
    return this.jobCache.waiting(holder.kind, holder.name) + (this.#entering.get(keyOf(holder)) ?? 0)
  }
}

function emptyPlanner(policy: Policy, now: number): Planner {
  const nothing = { nodes: [], queued: [], active: [], usage: [], users: new Map(), groups: new Map() }
  return new Planner({ now, policy, ...nothing, served: new Map(), reservations: [] })
}

const isActive = (state: JobState): boolean => (activeStates as readonly JobState[]).includes(state)

const keyOf = ({ kind, name }: HolderName): string => `${kind} ${name}`

const shareKey = ({ user, group = '' }: Pick<StoredShare, 'user' | 'group'>): string => `${user} ${group}`

const settings = ({ weight, limits }: StoredHolder): Holder => ({ limits, ...(weight === undefined ? {} : { weight }) })

const isSame = (a: Node | undefined, b: Node): boolean =>
  a?.cores === b.cores && a.memoryGb === b.memoryGb && a.gpus === b.gpus && a.gpuKind === b.gpuKind

/** The run that a step ends, where it says something about the next: it came to its end, or to its limit. */
function runOf({ attempt, change }: JobStep): StoredRun | undefined {
  const { startedAt, endedAt, usage } = attempt ?? {}
  const { cause, exitCode } = change ?? {}
  const cameToItsEnd = (cause?.code === 'exited' && exitCode === 0) || cause?.code === 'time-limit'
  if (!cameToItsEnd || startedAt === undefined || endedAt === undefined) return undefined
  const peakBytes = usage?.memoryPeakBytes
  const seconds = Math.round(endedAt - startedAt) / 1000
  return { endedAt, seconds: Math.max(0, seconds), ...(peakBytes === undefined ? {} : { peakBytes }) }
}

const none: Capacity = { cores: 0, memoryGb: 0, gpus: 0 }

const add = (a: Capacity, b: Capacity): Capacity => ({
  cores: a.cores + b.cores,
  memoryGb: a.memoryGb + b.memoryGb,
  gpus: a.gpus + b.gpus,
})

const sumOf = (jobs: Iterable<StoredJob>): Capacity => Iterator.from(jobs).map(needsOf).reduce(add, none)

function windowView(offPeak: OffPeakHours, now: number): NonNullable<QueueOverview['offPeak']> {
  const edge = offPeak.nextEdge(now)
  return {
    isNow: offPeak.isOpen(now),
    timezone: offPeak.timezone,
    ...(edge === undefined ? {} : { changesAt: new Date(edge).toISOString() }),
  }
}
