import { isEnded, type JobState } from '@science-platform/contract'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Metrics of the platform in the format of Prometheus. No label names a user, a job or an image. */
export interface Metrics {
  /** Records an answered request. `route` is the declared route with the names of its parameters. */
  request(request: {
    readonly route: string
    readonly method: string
    readonly status: number
    readonly seconds: number
  }): void
  /** Records committed changes of jobs. */
  changes(
    changes: readonly {
      readonly kind: string
      readonly subject: string
      readonly to?: JobState
      readonly causeCode?: string
    }[],
  ): void
  /** Records an event of an attempt. Its events Pulling and Pulled give the time of an image fetch. */
  event(event: { readonly attemptId: string; readonly at: number; readonly reason: string }): void
  /** Records a committed transaction. */
  commit(seconds: number): void
  /** Records a cycle of the loop. */
  cycle(seconds: number, outcome: 'done' | 'failed'): void
  readonly contentType: string
  /** All metrics as text. */
  text(): Promise<string>
}

/** Sources of the gauges, which are read at each scrape. */
export interface GaugeSources {
  /** Number of jobs in each state that is not final. */
  readonly jobsByState: () => Promise<ReadonlyMap<JobState, number>>
  /** Whether the audit trail cannot be written. */
  readonly auditFault: () => boolean
  /** Outcomes of published estimates. */
  readonly estimateScores: () => Promise<
    Readonly<Record<'start' | 'run', Readonly<Record<'inside' | 'early' | 'late', number>>>>
  >
  /** The listed registries: images in the last listing, and whether the latest attempt to list failed. */
  readonly registries: () => readonly { readonly registry: string; readonly images: number; readonly fault: boolean }[]
  /** Disk usage of images in bytes. */
  readonly imageBytes: () => Promise<number>
  /** The number of attempts that the executor lists and the database has no record of. */
  readonly unrecordedAttempts: () => number
}

const activeStates: readonly JobState[] = ['held', 'queued', 'starting', 'running', 'stopping']

/** Creates {@link Metrics}, once per process: they include metrics of the process itself. */
export function createMetrics({
  jobsByState,
  auditFault,
  estimateScores,
  registries,
  imageBytes,
  unrecordedAttempts,
}: GaugeSources): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const prefix = 'science_platform_'
  const requests = new Counter({
    name: `${prefix}http_requests_total`,
    help: 'Answered requests',
    labelNames: ['route', 'method', 'status'],
    registers,
  })
  const requestSeconds = new Histogram({
    name: `${prefix}http_request_seconds`,
    help: 'Time to answer a request; requests that wait for jobs or follow logs and changes are long by design',
    labelNames: ['route', 'method'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  })
  const placements = new Counter({ name: `${prefix}placements_total`, help: 'Placed attempts', registers })
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
    help: 'Time of a transaction with its sync to the disk; concurrent transactions share one sync',
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
    help: 'Jobs that have not ended, by state; queued is the length of the queue',
    labelNames: ['state'],
    registers,
    async collect() {
      const counts = await jobsByState()
      for (const state of activeStates) this.set({ state }, counts.get(state) ?? 0)
    },
  })
  new Gauge({
    name: `${prefix}estimates`,
    help: 'Estimated starts and run times of 30 days by outcome; 8 of 10 should be inside their 10 to 90 % interval',
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
    help: 'Disk usage of images',
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

  /** Start of the image fetch in milliseconds since the epoch, by job. */
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
