import { isEnded, type JobState } from '@science-platform/contract'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What those who watch the platform are told, in the format of Prometheus. Labels name no user, no job and no image. */
export interface Metrics {
  /** A request was answered. `route` is as it was declared, with its parameters' names. */
  request(request: {
    readonly route: string
    readonly method: string
    readonly status: number
    readonly seconds: number
  }): void
  /** These changes of jobs were committed. */
  changes(
    changes: readonly {
      readonly kind: string
      readonly subject: string
      readonly to?: JobState
      readonly causeCode?: string
    }[],
  ): void
  /** Something happened to an attempt: how long its image took to fetch is seen from it. */
  event(event: { readonly attemptId: string; readonly at: number; readonly reason: string }): void
  /** A transaction was committed. */
  commit(seconds: number): void
  /** A cycle of the loop ended. */
  cycle(seconds: number, outcome: 'done' | 'failed'): void
  readonly contentType: string
  /** Everything, as text. */
  text(): Promise<string>
}

/** Where the values come from that are asked for when somebody looks. */
export interface Watched {
  /** How many jobs are in each state that is not an end. */
  readonly jobsByState: () => Promise<ReadonlyMap<JobState, number>>
  /** Whether entries of the audit trail are held back because it cannot be written. */
  readonly auditFault: () => boolean
  /** What came of estimates that were told. */
  readonly estimateScores: () => Promise<
    Readonly<Record<'start' | 'run', Readonly<Record<'inside' | 'early' | 'late', number>>>>
  >
  /** The registries that are listed, with how many images they offered last, and whether they could not be asked since. */
  readonly registries: () => readonly { readonly registry: string; readonly images: number; readonly fault: boolean }[]
  /** Bytes that images take on the disk. */
  readonly imageBytes: () => Promise<number>
  /** The number of attempts that the executor lists and the database has no record of. */
  readonly unrecordedAttempts: () => number
}

const watchedStates: readonly JobState[] = ['held', 'queued', 'starting', 'running', 'stopping']

/** Makes {@link Metrics}. One for a process: those of the process itself are among them. */
export function createMetrics({
  jobsByState,
  auditFault,
  estimateScores,
  registries,
  imageBytes,
  unrecordedAttempts,
}: Watched): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const prefix = 'science_platform_'
  const requests = new Counter({
    name: `${prefix}http_requests_total`,
    help: 'Requests that were answered',
    labelNames: ['route', 'method', 'status'],
    registers,
  })
  const requestSeconds = new Histogram({
    name: `${prefix}http_request_seconds`,
    help: 'Time to answer a request; waiting for a job and following a log are held back on purpose',
    labelNames: ['route', 'method'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  })
  const placements = new Counter({ name: `${prefix}placements_total`, help: 'Attempts that were placed', registers })
  const ended = new Counter({
    name: `${prefix}jobs_ended_total`,
    help: 'Jobs that ended, by the cause of their last attempt (docs/causes.md)',
    labelNames: ['cause'],
    registers,
  })
  const fetchSeconds = new Histogram({
    name: `${prefix}image_fetch_seconds`,
    help: 'Time to fetch an image that was not on the disk',
    buckets: [0.5, 2, 10, 60, 300, 1800],
    registers,
  })
  const commitSeconds = new Histogram({
    name: `${prefix}store_commit_seconds`,
    help: 'Time of a transaction with its sync to the disk; those that arrive together share one',
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2],
    registers,
  })
  const cycleSeconds = new Histogram({
    name: `${prefix}loop_cycle_seconds`,
    help: 'Time of a cycle of the loop that places jobs and records their ends',
    labelNames: ['outcome'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2],
    registers,
  })
  new Gauge({
    name: `${prefix}jobs`,
    help: 'Jobs that have not ended, by state; those that are queued are the length of the queue',
    labelNames: ['state'],
    registers,
    async collect() {
      const counts = await jobsByState()
      for (const state of watchedStates) this.set({ state }, counts.get(state) ?? 0)
    },
  })
  new Gauge({
    name: `${prefix}estimates`,
    help: 'Estimated starts and run times of 30 days by outcome: 8 of 10 should be inside their band',
    labelNames: ['what', 'outcome'],
    registers,
    async collect() {
      for (const [what, outcomes] of Object.entries(await estimateScores()))
        for (const [outcome, count] of Object.entries(outcomes)) this.set({ what, outcome }, count)
    },
  })
  new Gauge({
    name: `${prefix}audit_fault`,
    help: '1 while the audit trail cannot be written',
    registers,
    collect() {
      this.set(auditFault() ? 1 : 0)
    },
  })
  new Gauge({
    name: `${prefix}registry_images`,
    help: 'Images that a registry offered when it was last listed',
    labelNames: ['registry'],
    registers,
    collect() {
      for (const { registry: name, images } of registries()) this.set({ registry: name }, images)
    },
  })
  new Gauge({
    name: `${prefix}registry_fault`,
    help: '1 while a registry cannot be listed; its last list stays',
    labelNames: ['registry'],
    registers,
    collect() {
      for (const { registry: name, fault } of registries()) this.set({ registry: name }, fault ? 1 : 0)
    },
  })
  new Gauge({
    name: `${prefix}image_store_bytes`,
    help: 'What images take on the disk',
    registers,
    async collect() {
      this.set(await imageBytes())
    },
  })
  new Gauge({
    name: `${prefix}unrecorded_attempts`,
    help: 'Attempts without a record in the database: the server leaves them alone (science-platform adopt lists them)',
    registers,
    collect() {
      this.set(unrecordedAttempts())
    },
  })
  collectDefaultMetrics({ register: registry })

  /** When images began to be fetched, by job. */
  const fetching = new Map<string, number>()
  return {
    request: ({ route, method, status, seconds }) => {
      requests.inc({ route, method, status })
      requestSeconds.observe({ route, method }, seconds)
    },
    changes: (changes) => {
      for (const { kind, subject, to, causeCode } of changes) {
        if (kind === 'placed') placements.inc()
        if (to === undefined || !isEnded(to) || kind === 'removed') continue
        ended.inc({ cause: causeCode ?? 'unknown' })
        fetching.delete(subject)
      }
    },
    event: ({ attemptId, at, reason }) => {
      const jobId = attemptId.slice(0, attemptId.lastIndexOf('-'))
      if (reason === 'Pulling') fetching.set(jobId, at)
      const since = fetching.get(jobId)
      if (reason !== 'Pulled' || since === undefined) return
      fetching.delete(jobId)
      fetchSeconds.observe(Math.max(0, at - since) / 1000)
    },
    commit: (seconds) => {
      commitSeconds.observe(seconds)
    },
    cycle: (seconds, outcome) => {
      cycleSeconds.observe({ outcome }, seconds)
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  }
}
