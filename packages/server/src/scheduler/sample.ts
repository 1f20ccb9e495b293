import type { QueueState } from './queue-state.ts'
import type { ActiveJob, Holder, LimitsByHour, PlanNode, QueuedJob, Snapshot } from './snapshot.ts'

/** How large a sample may be. */
export interface SampleSize {
  readonly jobs: number
  readonly nodes: number
  readonly active: number
}

/** A scale model of a queue and its cluster. */
export interface Sample {
  readonly snapshot: Snapshot
  /** One in it stands for so many. */
  readonly scale: number
  /**
   * Of the jobs that wait, this part is in it, from the first ones on: less than 1 where the cluster is too small to be
   * scaled down as much as its queue is long.
   */
  readonly depth: number
}

/**
 * Every so many of the nodes with what runs on them, and of the jobs of each lane; limits and usage are scaled too. A queue
 * that is as long compared with its cluster takes as long. The job asked about is always in it.
 */
export function sampleOf(state: QueueState, jobId: string, size: SampleSize, random: () => number): Sample {
  const scale = Math.max(
    1,
    Math.min(
      Math.max(state.entries.size / size.jobs, state.nodes.size / size.nodes, state.holdings.size / size.active),
      // At least a few nodes, or how jobs fit together would be lost.
      state.nodes.size / 8,
    ),
  )
  const depth = Math.min(1, (size.jobs * scale) / Math.max(1, state.entries.size))
  const base = state.snapshot()
  const nodes = sampledNodes(state, scale, random)
  const active: ActiveJob[] = []
  for (const name of nodes.keys()) {
    for (const { job } of state.nodes.get(name)?.holdings(base.now) ?? []) active.push(job)
  }
  return {
    scale,
    depth,
    snapshot: {
      ...base,
      nodes: nodes.values(),
      active,
      queued: sampledJobs(state, jobId, { scale, depth }, random),
      usage: Iterator.from(base.usage).map((usage) => ({ ...usage, coreHours: usage.coreHours / scale })),
      policy: {
        ...base.policy,
        limits: { user: scaled(base.policy.limits.user, scale), group: scaled(base.policy.limits.group, scale) },
      },
      users: scaledHolders(base.users, scale),
      groups: scaledHolders(base.groups, scale),
      served: new Map(),
    },
  }
}

/** Of nodes that offer alike every so many. */
function sampledNodes(state: QueueState, scale: number, random: () => number): ReadonlyMap<string, PlanNode> {
  const alike = new Map<string, PlanNode[]>()
  for (const { node } of state.nodes.values()) {
    const key = `${node.cores} ${node.memoryGb} ${node.gpus} ${node.gpuKind ?? ''}`
    const others = alike.get(key)
    if (others === undefined) alike.set(key, [node])
    else others.push(node)
  }
  const chosen = new Map<string, PlanNode>()
  for (const nodes of alike.values()) {
    for (let i = Math.floor(random() * Math.min(scale, nodes.length)); i < nodes.length; i = Math.ceil(i + scale)) {
      const node = nodes[i] as PlanNode
      chosen.set(node.name, node)
    }
  }
  return chosen
}

function sampledJobs(
  state: QueueState,
  jobId: string,
  { scale, depth }: { readonly scale: number; readonly depth: number },
  random: () => number,
): readonly QueuedJob[] {
  state.settle()
  const jobs: QueuedJob[] = []
  const wanted = state.entries.get(jobId)
  for (const { lanes } of state.groups.values()) {
    for (const lane of lanes) {
      const count = Math.ceil(lane.size * depth)
      let taken = 0
      for (const job of lane.sample(Math.max(1, scale), Math.floor(random() * scale))) {
        if (taken * scale >= count) break
        if (job.id !== jobId) jobs.push(job)
        taken++
      }
    }
  }
  if (wanted !== undefined) jobs.push(wanted.job)
  return jobs
}

const scaledHolders = (holders: ReadonlyMap<string, Holder>, scale: number): Map<string, Holder> =>
  new Map(
    [...holders].map(([name, holder]) => [
      name,
      holder.limits === undefined ? holder : { ...holder, limits: scaled(holder.limits, scale) },
    ]),
  )

function scaled({ offPeak, ...limits }: LimitsByHour, scale: number): LimitsByHour {
  const values = Object.fromEntries(Object.entries(limits).map(([key, value]) => [key, Math.ceil(value / scale)]))
  return offPeak === undefined ? values : { ...values, offPeak: scaled(offPeak, scale) }
}
