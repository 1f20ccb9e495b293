import type { Lane } from '../cache/lane.ts'
import { limitsOf, type QuotaHolder } from '../cache/quota-holder.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { Limits, QuotaSettings } from '../../configuration/policy/policy.ts'
import type { QueueState } from '../cache/queue-state.ts'
import type { ActiveJob, PlanNode, QueuedJob, Snapshot } from '../cache/snapshot.ts'
import { limitBoundSeconds } from './limit-bound.ts'

/** Of a thinned sample this part is jobs at the front of the queue. */
const frontPart = 0.25

/** How large a sample may be. */
export interface SampleSize {
  readonly jobs: number
  /** Jobs times groups of lanes: what a simulation costs, since each of its cycles reads every group. */
  readonly work: number
  readonly nodes: number
  readonly active: number
}

/** A smaller queue that takes as long: a part of the nodes with what runs there, and of the waiting jobs. */
export interface Sample {
  readonly snapshot: Snapshot
  /** The policy's off-peak hours: the planner has them already. */
  readonly offPeak: OffPeakHours | undefined
  /** One of its nodes stands for so many. */
  readonly scale: number
  /**
   * One of its waiting jobs stands for so many that start one after another: more than 1 where the queue is long and the nodes are too
   * few to leave out as many of them.
   */
  readonly thinning: number
  /** Jobs times groups of lanes. */
  readonly work: number
  /** Jobs that stand for themselves nevertheless. */
  readonly single: ReadonlySet<string>
  /** The limits of the job's user and group let it start no earlier than in so many seconds: the sample does without them. */
  readonly limitSeconds: number
}

/**
 * Samples the queue of a waiting job, which is always in the sample. A queue that is small enough is its own sample. Otherwise every
 * `scale`-th node is taken, and as many jobs along all lanes, in order; usage and limits are divided by the scale.
 */
export function sampleOf(
  state: QueueState,
  asked: QueuedJob,
  size: SampleSize,
  now: number,
  random: () => number,
): Sample {
  state.settle()
  state.ledger.share(now, state.capacity / 100)
  const groups = state.groups.size
  // A sample of n jobs has at most n groups. The asked job and rounding add a few.
  const jobs = Math.min(size.jobs, Math.floor(Math.max(Math.sqrt(size.work), size.work / groups))) - 4
  const scale = scaleOf(state, { ...size, jobs })
  const base = state.snapshot()
  const isThinned = state.queueLength / scale > jobs
  if (scale === 1 && !isThinned)
    return {
      offPeak: state.offPeak,
      scale,
      thinning: 1,
      work: state.queueLength * groups,
      single: new Set(),
      limitSeconds: 0,
      snapshot: { ...base, now },
    }
  const lanes = inOrder(state, now)
  const front = isThinned ? frontOf(lanes.slice(0, jobs * frontPart * scale), scale, random) : []
  const thinning = isThinned ? (state.queueLength / scale - front.length) / (jobs - front.length) : 1
  const stride = isThinned ? state.queueLength / (jobs - front.length) : scale
  const queued = sampledJobs(lanes, [...state.later()], stride, random)
  for (const job of front) queued.add(job)
  for (const job of queued) if (job.id === asked.id) queued.delete(job)
  const nodes = sampledNodes(state, scale, random)
  return {
    offPeak: state.offPeak,
    scale,
    thinning,
    work: queued.size * Math.min(queued.size, groups),
    single: new Set([...front.map(({ id }) => id), asked.id]),
    limitSeconds: scale === 1 ? 0 : limitBoundSeconds(state, asked, now),
    snapshot: {
      ...base,
      now,
      nodes,
      active: activeOn(state, nodes, now),
      queued: [...queued, asked],
      usage: Iterator.from(base.usage).map((each) => ({ ...each, coreHours: each.coreHours / scale })),
      ...(scale === 1 ? {} : scaledSettings(state, asked, scale)),
    },
  }
}

function scaleOf({ queueLength, nodes, allocations }: QueueState, size: SampleSize): number {
  const wanted = Math.max(queueLength / size.jobs, nodes.size / size.nodes, allocations.size / size.active)
  // At least 8 nodes: with fewer it is lost how jobs fit together.
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

/** The first job of every `scale`-th lane. Thinned, the front of the queue would fit on the nodes at once. */
function frontOf(lanes: readonly Lane[], scale: number, random: () => number): readonly QueuedJob[] {
  const jobs: QueuedJob[] = []
  for (let place = random() * scale; place < lanes.length; place += scale) {
    const first = lanes[Math.floor(place)]?.first()
    if (first !== undefined) jobs.push(first.job)
  }
  return jobs
}

/** One job in `stride`, counted along all lanes, so that no lane counts for more jobs than it has. */
function sampledJobs(
  lanes: readonly Lane[],
  later: readonly QueuedJob[],
  stride: number,
  random: () => number,
): Set<QueuedJob> {
  const jobs = new Set<QueuedJob>()
  let next = random() * stride
  for (const lane of lanes) {
    const count = Math.max(0, Math.ceil((lane.size - next) / stride))
    if (count > 0) for (const job of Iterator.from(lane.sample(stride, next)).take(count)) jobs.add(job)
    next += count * stride - lane.size
  }
  for (let place = random() * stride; place < later.length; place += stride)
    jobs.add(later[Math.floor(place)] as QueuedJob)
  return jobs
}

/** Of nodes with the same capacity every `scale`-th. */
function sampledNodes(state: QueueState, scale: number, random: () => number): readonly PlanNode[] {
  const byCapacity = Map.groupBy(
    state.nodes.values().map(({ node }) => node),
    ({ cores, memoryGb, gpus, gpuKind = '' }) => `${cores} ${memoryGb} ${gpus} ${gpuKind}`,
  )
  const sampled: PlanNode[] = []
  for (const nodes of byCapacity.values())
    for (let place = random() * Math.min(scale, nodes.length); place < nodes.length; place += scale)
      sampled.push(nodes[Math.floor(place)] as PlanNode)
  return sampled
}

const activeOn = (state: QueueState, nodes: readonly PlanNode[], now: number): readonly ActiveJob[] =>
  nodes.flatMap(({ name }) => (state.nodes.get(name)?.allocations(now) ?? []).map(({ job }) => job))

/** Limits divided by the scale. Those of the asked job's quota holders do not apply: its jobs are too few in the sample. */
function scaledSettings(state: QueueState, asked: QueuedJob, scale: number): Pick<Snapshot, 'users' | 'groups'> {
  const own = state.ledger.association(asked.user, asked.group).quotaHolders
  const scaled = (quotaHolders: Iterable<QuotaHolder>): ReadonlyMap<string, QuotaSettings> =>
    new Map(
      Iterator.from(quotaHolders)
        .filter((quotaHolder) => quotaHolder.isLimited(state.policy))
        .map((quotaHolder) => {
          const { kind, name, settings } = quotaHolder
          const [always, offPeak] = [false, true].map((isOffPeak) => {
            const limits = limitsOf(state.policy.limits[kind], settings?.limits, isOffPeak)
            return dividedBy(limits, own.includes(quotaHolder) ? 0 : scale)
          }) as [Limits, Limits]
          return [name, { ...settings, limits: { ...always, offPeak } }]
        }),
    )
  return {
    users: new Map([...weightsOf(state.ledger.users), ...scaled(state.ledger.users.values())]),
    groups: new Map([...weightsOf(state.ledger.groups), ...scaled(state.ledger.groups.values())]),
  }
}

/** By zero: no limits. */
const dividedBy = (limits: Limits, scale: number): Limits =>
  Object.fromEntries(Object.entries(limits).map(([on, limit]) => [on, scale === 0 ? Infinity : limit / scale]))

/** Settings of quota holders without limits. */
const weightsOf = (quotaHolders: ReadonlyMap<string, QuotaHolder>): readonly (readonly [string, QuotaSettings])[] =>
  [...quotaHolders].flatMap(([name, { settings }]) => (settings === undefined ? [] : [[name, settings] as const]))
