import type { Lane } from '../cache/lane.ts'
import type { HolderState } from '../cache/ledger.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { QueueState } from '../cache/queue-state.ts'
import { scaledLimits } from './scaled-limits.ts'
import type { ActiveJob, PlanNode, QueuedJob, Snapshot } from '../cache/snapshot.ts'

/** How large a sample may be. */
export interface SampleSize {
  /** No more, however many lanes there are. */
  readonly jobs: number
  readonly nodes: number
  readonly active: number
}

/** A scale model of a queue and its cluster. */
export interface Sample {
  readonly snapshot: Snapshot
  /** Of the policy in it; the planner's own, so that nobody works them out anew. */
  readonly offPeak: OffPeakHours | undefined
  /** One of its nodes stands for so many. */
  readonly scale: number
  /**
   * One of its waiting jobs stands for so many that start one after another: more than 1 where the cluster is too small to be
   * scaled down as much as its queue is long.
   */
  readonly standsFor: (jobId: string) => number
}

/** Draws samples of the same queue. */
export type Sampler = (random: () => number) => Sample

/** What part of a sample are the first jobs of the lanes that go first, where what follows is thinned out. */
const frontPart = 0.25

/**
 * Every so many of the nodes with what runs on them, and of the waiting jobs; limits and usage are scaled too. A queue that
 * is as long compared with its cluster takes as long. Jobs are counted off along all lanes, those first that go first: of
 * lanes that have fewer than are counted off some stand for others of about their place. Where time is made up for what is
 * left out, the first ones stand for themselves. The job asked about is always in it.
 */
export function samplerOf(state: QueueState, asked: QueuedJob, size: SampleSize, now: number): Sampler {
  state.settle()
  state.ledger.share(now, state.capacity / 100)
  const scale = scaleOf(state, size)
  const { users, groups, bound, ...limits } = scaledLimits(state, asked, scale)
  const scaleOfLane = ({ group }: Lane): number => limits.scaleOf(group.account)
  const lanes = inOrder(state, now)
  const later = [...state.later()]
  const jobs = lanes.reduce((sum, lane) => sum + lane.size / scaleOfLane(lane), later.length / scale)
  const isThinned = jobs > size.jobs - 3
  const front = lanes.slice(0, isThinned ? size.jobs * frontPart * scale : 0)
  const row = lanes.map((lane, i) => ({ lane, after: i < front.length ? 1 : 0, every: scaleOfLane(lane) }))
  const heads = front.length / scale
  const thinning = isThinned ? (jobs - heads) / (size.jobs - heads - 4) : 1
  const base = state.snapshot()
  const usage = Iterator.from(base.usage)
    .map((each) => ({ ...each, coreHours: each.coreHours / scale }))
    .toArray()
  const reservations = [...base.reservations]
  const needed = bound === undefined ? [] : nodesOf(state, bound.holder)
  const alike = alikeNodes(state)
  return (random) => {
    const nodes = sampledNodes(alike, scale, random)
    addNeeded(nodes, needed, needed.length / (bound?.scale ?? 1))
    const first = new Set(headsOf(front, scale, random))
    const queued = new Set(first)
    countOff(row, thinning, random, (job) => queued.add(job))
    for (let i = random() * scale * thinning; i < later.length; i += scale * thinning)
      queued.add(later[Math.floor(i)] as QueuedJob)
    for (const job of queued) if (job.id === asked.id) queued.delete(job)
    const single = new Set([...first].map(({ id }) => id).concat(asked.id))
    return {
      scale,
      offPeak: state.offPeak,
      standsFor: (jobId) => (single.has(jobId) ? 1 : thinning),
      snapshot: {
        ...base,
        now,
        nodes: nodes.values(),
        active: activeOn(state, nodes.keys(), now),
        queued: [...queued, asked],
        usage,
        users,
        groups,
        served: new Map(),
        reservations,
      },
    }
  }
}

function scaleOf({ entries, nodes, holdings }: QueueState, size: SampleSize): number {
  const wanted = Math.max(entries.size / size.jobs, nodes.size / size.nodes, holdings.size / size.active)
  // At least a few nodes, or how jobs fit together would be lost.
  return Math.max(1, Math.min(wanted, nodes.size / 8))
}

/** All lanes, those first that go first now. */
const inOrder = ({ groups }: QueueState, now: number): readonly Lane[] =>
  [...groups.values()]
    .flatMap(({ lanes }) => lanes)
    .map((lane) => {
      const first = lane.first()
      const age = first === undefined ? 0 : lane.ageHours(first, now)
      return { lane, score: lane.group.pointsWithoutAge() + age }
    })
    .toSorted((a, b) => b.score - a.score || a.lane.seq - b.lane.seq)
    .map(({ lane }) => lane)

/** The first job of one of every so many lanes. */
function headsOf(lanes: readonly Lane[], scale: number, random: () => number): readonly QueuedJob[] {
  const heads: QueuedJob[] = []
  for (let place = random() * scale; place < lanes.length; place += scale) {
    const head = lanes[Math.floor(place)]?.first()
    if (head !== undefined) heads.push(head.job)
  }
  return heads
}

/** Lanes; how many of a lane's jobs are in the sample anyhow, and of how many of the others one is to be. */
type Row = readonly { readonly lane: Lane; readonly after: number; readonly every: number }[]

/** Goes along all lanes and takes one of every so many jobs, so that no lane is taken for more than it has. */
function countOff(row: Row, thinning: number, random: () => number, take: (job: QueuedJob) => void): void {
  // How far it is to the next that is taken; one that is taken is 1 from the one before.
  let next = random()
  for (const { lane, after, every } of row) {
    const stride = every * thinning
    const length = (lane.size - after) / stride
    const count = Math.max(0, Math.ceil(length - next))
    if (count > 0) for (const job of Iterator.from(lane.sample(stride, after + next * stride)).take(count)) take(job)
    next += count - length
  }
}

/** Nodes by what they offer. */
const alikeNodes = (state: QueueState): readonly (readonly PlanNode[])[] => [
  ...Map.groupBy(
    state.nodes.values().map(({ node }) => node),
    ({ cores, memoryGb, gpus, gpuKind = '' }) => `${cores} ${memoryGb} ${gpus} ${gpuKind}`,
  ).values(),
]

/** Of nodes that offer alike every so many. */
function sampledNodes(
  alike: readonly (readonly PlanNode[])[],
  scale: number,
  random: () => number,
): Map<string, PlanNode> {
  const chosen = new Map<string, PlanNode>()
  for (const nodes of alike) {
    for (let i = Math.floor(random() * Math.min(scale, nodes.length)); i < nodes.length; i = Math.ceil(i + scale)) {
      const node = nodes[i] as PlanNode
      chosen.set(node.name, node)
    }
  }
  return chosen
}

/** The node of each job that a user or group has running. */
const nodesOf = ({ holdings, nodes }: QueueState, { kind, name }: HolderState): readonly PlanNode[] =>
  [...holdings.values()].filter(({ job }) => job[kind] === name).flatMap(({ job }) => nodes.get(job.node)?.node ?? [])

/** Adds nodes until so many of the running jobs are in the model whose nodes these are. */
function addNeeded(nodes: Map<string, PlanNode>, needed: readonly PlanNode[], wanted: number): void {
  let there = needed.reduce((sum, { name }) => sum + (nodes.has(name) ? 1 : 0), 0)
  for (const node of needed) {
    if (there >= wanted) break
    if (!nodes.has(node.name)) there++
    nodes.set(node.name, node)
  }
}

function activeOn(state: QueueState, nodes: Iterable<string>, now: number): readonly ActiveJob[] {
  return [...nodes].flatMap((name) => (state.nodes.get(name)?.holdings(now) ?? []).map(({ job }) => job))
}
