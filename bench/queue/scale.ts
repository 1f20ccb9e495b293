import { band } from '../../packages/server/src/scheduler/forecast/calibration.ts'
import { forecast } from '../../packages/server/src/scheduler/forecast/forecast.ts'
import { Planner } from '../../packages/server/src/scheduler/planner/planner.ts'
import { pick, randomFrom } from '../../packages/server/src/lib/random.ts'
import {
  type ActiveJob,
  emptySnapshot,
  type PlanNode,
  type QueuedJob,
} from '../../packages/server/src/scheduler/cache/snapshot.ts'
import { reasonText } from '../../packages/server/src/scheduler/explain/reason-text.ts'
import { defaultPolicy } from '../../packages/server/src/configuration/policy/policy-of.ts'
import { epoch } from './replay.ts'
import { timed } from './stopwatch.ts'

/** Cost of the planner with a long queue: milliseconds of processor time of this process, and bytes. */
export interface Scale {
  readonly queued: number
  readonly rebuildMs: number
  readonly bytesPerJob: number
  readonly placementsPerSecond: number
  readonly cycleMs: { readonly median: number; readonly p99: number }
  readonly whyMs: Asked
}

/** Time of a hundred answers about jobs from the whole queue. */
export interface Asked {
  readonly median: number
  readonly slowest: number
}

/** Time of a forecast, by number of full nodes. */
export interface ForecastScale {
  readonly nodes: number
  readonly queued: number
  readonly ms: Asked
}

const shapes = [
  [1, 4], [1, 8], [2, 8], [4, 16], [4, 32], [8, 32], [8, 64], [16, 64], [16, 128], [32, 128],
] as const // prettier-ignore

/**
 * Fills 10,000 nodes of 64 cores from a queue of 1,000 users. Then jobs end one by one with a cycle after each end, and the long
 * queue remains. `collect` collects garbage, so that memory can be measured.
 */
export function measureScale(queued: number, events: number, collect: () => void): Scale {
  const random = randomFrom(1)
  const nodes = nodesOf(10_000)
  const jobs = jobsOf(random)
  const planner = fill(nodes, jobs)
  collect()
  const before = process.memoryUsage().heapUsed
  const waiting = jobs.take(queued).toArray()
  const snapshot = { ...planner.snapshot(), now: epoch, queued: waiting, active: [...planner.snapshot().active] }
  const built = timed(() => {
    const made = new Planner(snapshot)
    made.plan(epoch)
    return made
  })
  collect()
  const bytesPerJob = (process.memoryUsage().heapUsed - before) / queued
  return {
    queued,
    rebuildMs: built.ms,
    bytesPerJob,
    placementsPerSecond: placementRate(nodes, waiting),
    cycleMs: cycles(built.result, events, random),
    whyMs: questions(waiting, (id) => {
      const now = epoch + 1000
      const reason = built.result.reasonOf(id, now)
      built.result.priorityOf(id, now)
      built.result.ahead(id, now)
      built.result.counterfactuals(id, now)
      return reason === undefined ? '' : reasonText(reason, String)
    }),
  }
}

/** Fills the nodes, collects garbage and measures expected starts. The queue of a small cluster is the hardest: a sample leaves out least. */
export function measureForecasts(nodes: number, queued: number, collect: () => void): ForecastScale {
  const jobs = jobsOf(randomFrom(1))
  const planner = fill(nodesOf(nodes), jobs)
  const waiting = [...planner.snapshot().queued].slice(0, queued)
  for (const { id } of [...planner.snapshot().queued].slice(queued)) planner.apply({ type: 'gone', id })
  for (const job of jobs.take(queued - waiting.length)) {
    planner.apply({ type: 'queued', job })
    waiting.push(job)
  }
  planner.plan(epoch)
  collect()
  const ms = questions(waiting, (id) => band(forecast(planner, id, epoch + 1000, 1) ?? 0, []))
  return { nodes, queued, ms }
}

const nodesOf = (count: number): readonly PlanNode[] =>
  Array.from({ length: count }, (_, i) => ({ name: `node${i}`, cores: 64, memoryGb: 256, gpus: 0 }))

/** An endless sequence of jobs of 1,000 users in 50 groups with five kinds of job each. */
function* jobsOf(random: () => number): Generator<QueuedJob, never> {
  const kinds = Array.from({ length: 1000 }, () =>
    Array.from({ length: 5 }, () => {
      const [cores, memoryGb] = pick(random, shapes)
      const limitSeconds = pick(random, [3600, 14_400, 86_400, 1_209_600])
      const estimateSeconds = Math.min(limitSeconds, pick(random, [300, 600, 1800, 7200]))
      return { needs: { cores, memoryGb, gpus: 0 }, limitSeconds, estimateSeconds }
    }),
  )
  for (let seq = 1; ; seq++) {
    const who = Math.floor(random() * 1000)
    const kind = pick(random, kinds[who] ?? [])
    yield {
      id: `job-${seq}`,
      seq,
      user: `user${who}`,
      group: `group${who % 50}`,
      ...kind,
      submittedAt: epoch - 1e7 + seq,
    }
  }
}

/** A planner with full nodes, whose jobs were placed within the last hour. */
function fill(nodes: readonly PlanNode[], jobs: IteratorObject<QueuedJob>): Planner {
  const planner = new Planner({ ...emptySnapshot(epoch, defaultPolicy), nodes })
  for (let i = 0; i < 150_000; i++) planner.apply({ type: 'queued', job: jobs.next().value as QueuedJob })
  const { placements } = planner.plan(epoch)
  placements.forEach(({ job, node }, i) => {
    planner.apply({ type: 'placed', job: { ...job, node, placedAt: epoch - (i % 3600) * 1000 } })
  })
  return planner
}

function placementRate(nodes: readonly PlanNode[], waiting: readonly QueuedJob[]): number {
  const planner = new Planner({ ...emptySnapshot(epoch, defaultPolicy), nodes, queued: waiting })
  let count = 0
  const { ms } = timed(() => {
    for (const { job, node } of planner.plan(epoch).placements) {
      planner.apply({ type: 'placed', job: { ...job, node, placedAt: epoch } })
      count++
    }
  })
  return (count / ms) * 1000
}

function cycles(planner: Planner, events: number, random: () => number) {
  const active: ActiveJob[] = [...planner.snapshot().active]
  let now = epoch
  return spread(events, () => {
    now += 100
    const place = Math.floor(random() * active.length)
    const ended = active[place] as ActiveJob
    active[place] = active.at(-1) as ActiveJob
    active.pop()
    planner.apply({ type: 'gone', id: ended.id })
    for (const { job, node } of planner.plan(now).placements) {
      const started = { ...job, node, placedAt: now }
      planner.apply({ type: 'placed', job: started })
      active.push(started)
    }
  })
}

function questions(waiting: readonly QueuedJob[], ask: (id: string) => unknown): Asked {
  const ms = Array.from({ length: 100 }, (_, i) => {
    const { id } = waiting[Math.floor((i * waiting.length) / 100)] as QueuedJob
    return timed(() => ask(id)).ms
  }).toSorted((a, b) => a - b)
  return { median: ms[50] ?? 0, slowest: ms.at(-1) ?? 0 }
}

function spread(times: number, act: () => unknown): { readonly median: number; readonly p99: number } {
  const ms = Array.from({ length: times }, () => timed(act).ms).toSorted((a, b) => a - b)
  return { median: ms[times >> 1] ?? 0, p99: ms[Math.floor(times * 0.99)] ?? 0 }
}
