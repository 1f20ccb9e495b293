import type { Capacity } from '../../job/resources.ts'
import { decide } from './cycle.ts'
import { classOf, type Entry, type JobClass, type Lane, type LaneGroup, type Shape } from '../cache/lane.ts'
import { isAble, type NodeState } from '../cache/node-state.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import {
  type Change,
  changesWorthTrying,
  type Counterfactual,
  givesUpMore,
  submittedWith,
} from '../explain/counterfactuals.ts'
import { QueueState } from '../cache/queue-state.ts'
import { type Sampler, samplerOf, type SampleSize } from '../forecast/sample.ts'
import { type Kept, KeptLimits, type KeptNode, mayBackfill } from './reservations.ts'
import { capacityOf, largestOf, leastOf, type Size } from '../rules/size.ts'
import type { Ahead, LimitHit, Plan, PlannerEvent, Priority, QueuedJob, Reason, Snapshot } from '../cache/snapshot.ts'

/**
 * Decides which waiting jobs start where, and why the others wait. Keeps its state between plans: it is told what happens
 * and then decides afresh. It reads no clock and does nothing; what it plans becomes true when it is told so.
 */
export class Planner {
  #state: QueueState
  #kept: ReadonlyMap<NodeState, KeptNode> = new Map()
  #keptLimits = new KeptLimits()
  #isCut = false
  #placed = new Map<string, string>()

  /** @param offPeak - The policy's off-peak hours, where somebody has worked them out already. */
  constructor(snapshot: Snapshot, offPeak?: OffPeakHours) {
    this.#state = new QueueState(snapshot, offPeak)
  }

  /** Something happened. */
  tell(event: PlannerEvent): void {
    if (event.type === 'policy') this.#state = new QueueState({ ...this.#state.snapshot(), policy: event.policy })
    else this.#state.take(event)
  }

  /**
   * What to do now.
   * @param most - How many jobs it starts at most. Default: as many as can be.
   */
  plan(now: number, most = Infinity): Plan {
    const state = this.#state
    state.advance(now)
    const { placed, kept, keptLimits, isCut } = decide(state, now, most)
    this.#kept = kept
    this.#keptLimits = keptLimits
    this.#isCut = isCut
    this.#placed = new Map(placed.map(({ entry, node }) => [entry.job.id, node.name]))
    const reservations = [...state.reservations.values()]
    const instants = [state.nextStart(), state.offPeak?.nextEdge(now), ...reservations.map(({ at }) => at + 1)]
    const again = instants.filter((at) => at !== undefined && at > now) as number[]
    return {
      placements: placed.map(({ entry, node }) => ({ job: entry.job, node: node.name })),
      reservations,
      again: isCut ? now : again.length === 0 ? undefined : Math.min(...again),
      reasonOf: (jobId) => this.reasonOf(jobId, now),
    }
  }

  /** Why a job waits; undefined where it does not. As of the last plan and of what was told since. */
  reasonOf(jobId: string, now: number): Reason | undefined {
    const state = this.#state
    const later = state.notYet(jobId)
    if (later?.notBefore !== undefined) return { kind: 'not-before', at: later.notBefore }
    const entry = state.entries.get(jobId)
    if (entry === undefined) return undefined
    const { lane, job } = entry
    const { group } = lane
    const { shape } = group
    const node = this.#placed.get(jobId)
    if (node !== undefined) return { kind: 'placed', node }
    if (!state.mayStart(group, now)) return { kind: 'window', opensAt: state.offPeak?.nextOpening(now) }
    const asks = job.needs
    const reservation = state.reservations.get(jobId)
    if (reservation?.node !== undefined && state.nodes.has(reservation.node))
      return { kind: 'reservation', asks, at: reservation.at, node: reservation.node }
    const limit = this.#limitHit(group, now)
    if (limit !== undefined) return { kind: 'limit', ...limit }
    const ableNodes = state.ableNodes(shape)
    if (ableNodes === 0) return { kind: 'no-node', asks, largest: this.#largest((one) => one.total) }
    const room = state.free.best(shape.size, shape.gpuKind)
    if (room === undefined) {
      const mostFree = this.#largest((one) => one.free, shape) ?? { cores: 0, memoryGb: 0, gpus: 0 }
      return { kind: 'resources', asks, ableNodes, mostFree }
    }
    const behind = this.#limitKept(lane, now)
    if (behind !== undefined) return { kind: 'limit', ...behind }
    const keeps = this.#keepsOff(lane, now)
    if (this.#isCut || keeps === undefined) return { kind: 'turn' }
    return { kind: 'backfill', reservedAt: keeps.reservation.at, plannedSeconds: lane.plannedSeconds }
  }

  /** What makes up a job's place in the order, as if its `--after` had come; undefined where it does not wait. */
  priorityOf(jobId: string, now: number): Priority | undefined {
    return this.#ofEntry(jobId, now, (entry) => {
      this.#state.settle()
      this.#state.ledger.share(now, this.#state.capacity / 100)
      return entry.lane.group.priorityOf(entry, now)
    })
  }

  /**
   * The jobs that would go first if capacity came free now and nothing else changed: of its own lane those before it; of
   * another the first, if that goes before it, and all, if they would even without having waited. Of a job that waits for
   * its hours or its `--after`: if those had come.
   */
  ahead(jobId: string, now: number): Ahead | undefined {
    return this.#ofEntry(jobId, now, (entry) => this.#aheadOf(entry, now))
  }

  #aheadOf(entry: Entry, now: number): Ahead {
    const state = this.#state
    state.ledger.share(now, state.capacity / 100)
    state.settle()
    const { lane: own } = entry
    const before = own.countBeforeEntry(entry)
    const fresh = own.group.pointsWithoutAge()
    const score = before === 0 ? fresh + own.ageHours(entry, now) : fresh
    const sum = { jobs: 0, cores: 0, memoryGb: 0, gpus: 0 }
    const isOpen = state.mayStart(entry.lane.group, now)
    for (const group of state.groups.values()) {
      if (isOpen && !state.mayStart(group, now)) continue
      const { lanes, shape } = group
      let jobs = 0
      for (const lane of lanes) jobs += lane === own ? before : countAhead(lane, { score, seq: entry.job.seq, now })
      sum.jobs += jobs
      sum.cores += jobs * shape.needs.cores
      sum.memoryGb += jobs * shape.needs.memoryGb
      sum.gpus += jobs * shape.needs.gpus
    }
    return sum
  }

  /** Before this instant a waiting job starts in no case: for its `--after`, and for its hours. */
  earliestStart(jobId: string, now: number): number {
    const job = this.#waiting(jobId)
    const due = Math.max(now, job?.notBefore ?? 0)
    return (job?.offPeak === true ? this.#state.offPeak?.nextOpening(due) : undefined) ?? due
  }

  /** How many jobs wait, by class; those with an `--after` to come among them. */
  waiting(): Record<JobClass, number> {
    const state = this.#state
    state.settle()
    const counts = { small: 0, normal: 0, large: 0 }
    for (const { shape, lanes } of state.groups.values())
      counts[classOf(shape.needs, state.policy)] += lanes.reduce((sum, lane) => sum + lane.size, 0)
    for (const { needs } of state.later()) counts[classOf(needs, state.policy)]++
    return counts
  }

  /** What is free on single nodes: where the most cores are, and where others have more memory or GPUs, there too. */
  largestFree(): readonly Capacity[] {
    return largestOf([...this.#state.nodes.values()].map(({ free }) => free)).map(capacityOf)
  }

  /**
   * Whether a waiting job would start now if it were cancelled and submitted anew with a change: the planner is asked.
   * Everything else stays as it is.
   * @returns the node it would start on.
   */
  whatIf(jobId: string, change: Change, now: number): string | undefined {
    const state = this.#state
    const job = this.#waiting(jobId)
    if (job === undefined) return undefined
    const reservations = [...state.reservations.values()]
    state.take({ type: 'queued', job: submittedWith(job, change, now) })
    state.advance(now)
    const { placed } = decide(state, now, Infinity)
    state.take({ type: 'queued', job })
    state.reservations.clear()
    for (const reservation of reservations) state.reservations.set(reservation.jobId, reservation)
    return placed.find(({ entry }) => entry.job.id === jobId)?.node.name
  }

  /**
   * What would start a waiting job now if it were submitted anew: each tried on the planner; the few that give up least,
   * and none that gives up more than another does.
   * @param suits - What is not worth trying, since the job needs more, is left out.
   */
  whatWouldStart(
    jobId: string,
    now: number,
    suits: (change: Change) => boolean = () => true,
  ): readonly Counterfactual[] {
    const state = this.#state
    const job = this.#waiting(jobId)
    if (job === undefined || this.#placed.has(jobId)) return []
    const room = {
      nodes: state.nodes.values(),
      kept: this.#kept,
      headroom: this.#headroom(job, now),
      isShut: !state.mayStart({ offPeak: true }, now),
    }
    const found: Counterfactual[] = []
    let tried = 0
    for (const change of changesWorthTrying(job, room, now)) {
      if (found.length === changesTold || tried === changesTried) break
      if (!suits(change) || found.some((other) => givesUpMore(change, other.change, job))) continue
      tried++
      const node = this.whatIf(jobId, change, now)
      if (node !== undefined) found.push({ change, node })
    }
    return found
  }

  #headroom({ user, group }: QueuedJob, now: number): Size {
    const { ledger, policy } = this.#state
    const isOffPeak = this.#state.isOffPeak(now)
    const ofUser = ledger.user(user).headroom(policy, isOffPeak)
    return group === undefined ? ofUser : leastOf(ofUser, ledger.group(group).headroom(policy, isOffPeak))
  }

  /** What is simulated to say when a job will start; undefined where it does not wait. */
  sampler(jobId: string, size: SampleSize, now: number): Sampler | undefined {
    const job = this.#waiting(jobId)
    return job === undefined ? undefined : samplerOf(this.#state, job, size, now)
  }

  /** The state as a snapshot: what a planner made of it would decide is what this one does. */
  snapshot(): Snapshot {
    return this.#state.snapshot()
  }

  #entry(jobId: string): Entry | undefined {
    return this.#state.entries.get(jobId)
  }

  /** What is to be said of a job in the order; of one whose `--after` has not come, as if it came now. */
  #ofEntry<T>(jobId: string, now: number, say: (entry: Entry) => T): T | undefined {
    const state = this.#state
    const later = state.notYet(jobId)
    if (later !== undefined) state.take({ type: 'queued', job: submittedWith(later, { atOnce: true }, now) })
    try {
      const entry = this.#entry(jobId)
      return entry && say(entry)
    } finally {
      if (later !== undefined) state.take({ type: 'queued', job: later })
    }
  }

  #waiting(jobId: string): QueuedJob | undefined {
    return this.#entry(jobId)?.job ?? this.#state.notYet(jobId)
  }

  #limitHit({ account, shape }: LaneGroup, now: number): LimitHit | undefined {
    const { policy, offPeak } = this.#state
    const isOffPeak = this.#state.isOffPeak(now)
    const opensAt = offPeak?.nextOpening(now)
    return (
      account.user.hit(shape.size, policy, isOffPeak, opensAt) ??
      account.group?.hit(shape.size, policy, isOffPeak, opensAt)
    )
  }

  /** The limit that one job more would meet with what is kept of it for others. */
  #limitKept(lane: Lane, now: number): LimitHit | undefined {
    const { policy, offPeak } = this.#state
    const kept = this.#keptLimits.keptFrom(lane, policy, now)
    return kept?.holder.hit(lane.group.shape.size, policy, kept.isOffPeak, offPeak?.nextOpening(now), kept)
  }

  /** The most that a node has of what is asked for: by cores, then memory. */
  #largest(of: (node: NodeState) => NodeState['total'], able?: Shape) {
    let most: NodeState['total'] | undefined
    for (const node of this.#state.nodes.values()) {
      if (able !== undefined && !isAble(node, able)) continue
      const size = of(node)
      if (
        most === undefined ||
        size.milliCores > most.milliCores ||
        (size.milliCores === most.milliCores && size.mib > most.mib)
      )
        most = size
    }
    return most === undefined ? undefined : capacityOf(most)
  }

  /** The reservation that keeps a lane off the nodes that have room; undefined where one of them is free for it. */
  #keepsOff(lane: Lane, now: number): Kept | undefined {
    let keeps: Kept | undefined
    const { shape } = lane.group
    const free = this.#state.free.best(shape.size, shape.gpuKind, (node) => {
      const kept = this.#kept.get(node)
      if (kept === undefined || mayBackfill(kept, lane, now)) return true
      if (keeps === undefined || kept.reservation.at < keeps.reservation.at) keeps = kept
      return false
    })
    return free === undefined ? keeps : undefined
  }
}

/** So many changes are told at most, and so many tried: each costs a plan. */
const changesTold = 3
const changesTried = 8

/** Decides once: the plan of a planner that knows this and nothing else. */
export const planOnce = (snapshot: Snapshot): Plan => new Planner(snapshot).plan(snapshot.now)

/** How many jobs of a lane go before one of another: its first has waited, the others have not once that has started. */
function countAhead(lane: Lane, than: { readonly score: number; readonly seq: number; readonly now: number }): number {
  const first = lane.first()
  if (first === undefined) return 0
  const fresh = lane.group.pointsWithoutAge()
  if (fresh > than.score) return lane.size
  const unaged = fresh === than.score ? lane.countBefore(than.seq) : 0
  const score = fresh + lane.ageHours(first, than.now)
  const isAhead = score > than.score || (score === than.score && first.job.seq < than.seq)
  return isAhead ? Math.max(1, unaged) : unaged
}
