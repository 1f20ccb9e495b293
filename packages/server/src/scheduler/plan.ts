import type { Node } from '../executor/executor.ts'
import type { StoredJob } from '../job/job.ts'
import type { Capacity } from '../job/resources.ts'
import type { Needs } from './snapshot.ts'

/** All that a decision needs to know. */
export interface Snapshot {
  readonly nodes: readonly Node[]
  /** Jobs that hold resources, with the node that each is on. */
  readonly active: Iterable<{ readonly job: StoredJob; readonly node: string }>
  /** Jobs that wait, in order of submission. */
  readonly queued: Iterable<StoredJob>
}

/** A job and the node it is to start on. */
export interface Placement {
  readonly job: StoredJob
  readonly node: string
}

/** The first job that cannot start now, and why. Those behind it wait for it: first come, first served. */
export interface Deferral {
  readonly job: StoredJob
  readonly reason: string
}

/** What to do: jobs to start and, where the queue does not empty, what holds it up. */
export interface Plan {
  readonly placements: readonly Placement[]
  readonly deferral?: Deferral
}

/** Decides, first come first served, which jobs start where. Pure; does not act. */
export function plan(snapshot: Snapshot): Plan {
  const free = freeCapacity(snapshot)
  const placements: Placement[] = []
  for (const job of snapshot.queued) {
    const node = tightestFit(free, needs(job))
    if (node === undefined) return { placements, deferral: { job, reason: whyNoNodeFits(snapshot.nodes, free, job) } }
    placements.push({ job, node })
    free.set(node, subtract(free.get(node), needs(job)))
  }
  return { placements }
}

/** What of each node no active job has. */
export function freeCapacity(snapshot: Pick<Snapshot, 'nodes' | 'active'>): Map<string, Capacity> {
  const free = new Map<string, Capacity>(snapshot.nodes.map((node) => [node.name, node]))
  for (const { job, node } of snapshot.active) {
    if (free.has(node)) free.set(node, subtract(free.get(node), needs(job)))
  }
  return free
}

/** What is set aside for a job while it is active. */
export const needs = ({ resources }: Pick<StoredJob, 'resources'>): Needs => ({
  cores: resources.cores.request,
  memoryGb: resources.memoryGb.request,
  gpus: resources.gpus,
})

const fits = (free: Capacity, job: Capacity): boolean =>
  job.cores <= free.cores && job.memoryGb <= free.memoryGb && job.gpus <= free.gpus

/** The node with the fewest cores left over, so that large jobs still find room. */
function tightestFit(free: ReadonlyMap<string, Capacity>, job: Capacity): string | undefined {
  let best: { readonly name: string; readonly cores: number } | undefined
  for (const [name, capacity] of free) {
    if (fits(capacity, job) && (best === undefined || capacity.cores < best.cores))
      best = { name, cores: capacity.cores }
  }
  return best?.name
}

const none: Capacity = { cores: 0, memoryGb: 0, gpus: 0 }

const subtract = (a: Capacity = none, b: Capacity): Capacity => ({
  cores: a.cores - b.cores,
  memoryGb: a.memoryGb - b.memoryGb,
  gpus: a.gpus - b.gpus,
})

function whyNoNodeFits(nodes: readonly Node[], free: ReadonlyMap<string, Capacity>, job: StoredJob): string {
  const asks = needs(job)
  const able = nodes.filter((node) => fits(node, asks))
  if (able.length === 0) {
    return nodes.length === 0
      ? 'It waits for a node: none is there now.'
      : `No node is large enough for ${words(asks)}; the platform has less than when this was submitted.`
  }
  const most = able
    .map((node) => free.get(node.name) ?? none)
    .reduce((a, b) => (b.cores > a.cores || (b.cores === a.cores && b.memoryGb > a.memoryGb) ? b : a))
  return `It is next, and waits for ${words(asks)}; ${words(most, asks.gpus > 0)} are free now.`
}

function words({ cores, memoryGb, gpus }: Capacity, withGpus = gpus > 0): string {
  const rounded = (n: number): number => Math.max(0, Math.round(n * 10) / 10)
  const parts = [`${rounded(cores)} ${cores === 1 ? 'core' : 'cores'}`, `${rounded(memoryGb)} GiB`]
  if (withGpus) parts.push(`${gpus} ${gpus === 1 ? 'GPU' : 'GPUs'}`)
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1) ?? ''}`
}
