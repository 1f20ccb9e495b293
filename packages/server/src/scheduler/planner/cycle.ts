import { Heap } from '../../lib/heap.ts'
import { ageHours, type Entry, type Lane, type LaneGroup } from '../cache/lane.ts'
import type { HolderState } from '../cache/ledger.ts'
import { Holding, isAble, type NodeState } from '../cache/node-state.ts'
import type { QueueState } from '../cache/queue-state.ts'
import {
  earliestRoom,
  type Kept,
  KeptLimits,
  type KeptNode,
  mayBackfill,
  type Room,
  roomAt,
  roomAtLatest,
  roomInLimits,
  type RoomInLimits,
  shareNode,
  spareOf,
} from './reservations.ts'
import type { Reservation } from '../cache/snapshot.ts'

/** What a cycle decides. */
export interface Decision {
  readonly placed: readonly { readonly entry: Entry; readonly node: NodeState }[]
  readonly kept: ReadonlyMap<NodeState, KeptNode>
  readonly keptLimits: KeptLimits
  /** It ended because it had placed as many as it may. */
  readonly isCut: boolean
}

/**
 * Goes through the lanes in order: starts what fits and may, keeps a node for the first few that find no room and its part of
 * a limit for the first that meets it, and lets later ones start where they do not stand in the way. Leaves the state as it
 * was, but for what is promised.
 */
export function decide(state: QueueState, now: number, most: number): Decision {
  const cycle = new Cycle(state, now)
  try {
    return cycle.run(most)
  } finally {
    cycle.undo()
  }
}

let cycles = 0

class Cycle {
  readonly #state: QueueState
  readonly #now: number
  readonly #isOffPeak: boolean
  readonly #number = ++cycles
  readonly #queue = new Heap<Candidate>(goesBefore)
  readonly #placed: { readonly entry: Entry; readonly node: NodeState; readonly holding: Holding }[] = []
  readonly #kept = new Map<NodeState, KeptNode>()
  readonly #keptLimits = new KeptLimits()
  /** Users and groups of whose limits a part is kept for the first that met one. */
  readonly #atLimit = new Map<HolderState, Kept>()
  /** Lanes to be looked at whose jobs may still find room. */
  #hopeful = 0

  constructor(state: QueueState, now: number) {
    this.#state = state
    this.#now = now
    this.#isOffPeak = state.isOffPeak(now)
  }

  run(most: number): Decision {
    const { policy } = this.#state
    this.#lineUp()
    let isCut = false
    while (this.#hopeful > 0 || this.#kept.size < policy.backfill.reservations) {
      const candidate = this.#queue.pop()
      if (candidate === undefined) break
      if (this.#placed.length >= most) {
        isCut = this.#hopeful > 0
        break
      }
      this.#see(candidate)
    }
    this.#promise()
    return { placed: this.#placed, kept: this.#kept, keptLimits: this.#keptLimits, isCut }
  }

  /**
   * What was promised of a limit stays promised where the cycle ended before it came to the job: else it would be promised anew
   * each time, and so could be put off for ever.
   */
  #promise(): void {
    const { reservations } = this.#state
    const before = [...reservations.values()]
    reservations.clear()
    for (const kept of [this.#kept, this.#atLimit])
      for (const { reservation } of kept.values()) reservations.set(reservation.jobId, reservation)
    for (const promise of before)
      if (promise.node === undefined && !reservations.has(promise.jobId)) reservations.set(promise.jobId, promise)
  }

  undo(): void {
    for (const { entry, node, holding } of this.#placed) {
      this.#state.giveBack(node, holding)
      for (const holder of entry.lane.group.account.holders) holder.add(holding, -1)
      entry.lane.rewind()
    }
  }

  #lineUp(): void {
    const { shapes, groups, free, ledger } = this.#state
    this.#state.settle()
    for (const shape of shapes.values()) {
      shape.toSee = 0
      if (free.best(shape.size, shape.gpuKind) === undefined) shape.blockedIn = this.#number
    }
    ledger.share(this.#now, this.#state.capacity / 100)
    for (const group of groups.values()) {
      if (this.#state.mayStart(group, this.#now)) this.#enqueueFrom(group, 0)
    }
    this.#lineUpPromised()
  }

  /**
   * Jobs to which something was promised within their hours keep it when those are over: what starts there meanwhile might
   * go on for longer than the next ones last, again and again.
   */
  #lineUpPromised(): void {
    for (const jobId of this.#state.reservations.keys()) {
      const entry = this.#state.entries.get(jobId)
      if (entry === undefined || this.#state.mayStart(entry.lane.group, this.#now)) continue
      const { lane } = entry
      if (lane.first() !== entry) continue
      const score = lane.group.pointsWithoutAge() + lane.ageHours(entry, this.#now)
      this.#queue.push({ lane, score, seq: entry.job.seq, place: undefined, keepsOnly: true })
    }
  }

  /** The lane at this place of its group is to be looked at, and when it was, the next. */
  #enqueueFrom(group: LaneGroup, place: number): void {
    const lane = group.lanes[place]
    if (lane === undefined) return
    const { since, seq } = place === 0 ? group : lane
    const score = group.pointsWithoutAge() + ageHours(since, this.#now)
    this.#push({ lane, score, seq, place, keepsOnly: false })
  }

  #push(candidate: Candidate): void {
    const { shape } = candidate.lane.group
    this.#queue.push(candidate)
    shape.toSee++
    if (shape.blockedIn !== this.#number) this.#hopeful++
  }

  #see({ lane, place, keepsOnly }: Candidate): void {
    const { group } = lane
    const { shape } = group
    if (keepsOnly) {
      this.#keepMeanwhile(lane)
      return
    }
    const { policy, free } = this.#state
    shape.toSee--
    const isBlocked = shape.blockedIn === this.#number
    if (!isBlocked) this.#hopeful--
    if (this.#isFull(group)) {
      this.#keepThoughFull(lane)
      return
    }
    if (place !== undefined) this.#enqueueFrom(group, place + 1)
    if (this.#keptLimits.keptFrom(lane, policy, this.#now) !== undefined) return
    const node = isBlocked
      ? undefined
      : free.best(shape.size, shape.gpuKind, (one) => {
          const kept = this.#kept.get(one)
          return kept === undefined || mayBackfill(kept, lane, this.#now)
        })
    if (node !== undefined) {
      this.#start(lane, node)
      return
    }
    if (!isBlocked && free.best(shape.size, shape.gpuKind) === undefined) {
      shape.blockedIn = this.#number
      this.#hopeful -= shape.toSee
    }
    if (this.#kept.size < policy.backfill.reservations && this.#state.ableNodes(shape) > 0) this.#keepFor(lane)
  }

  #isFull({ account, shape }: LaneGroup): boolean {
    const { policy } = this.#state
    // Asked for every candidate, so without a closure.
    for (const holder of account.holders) if (holder.isFull(shape.size, policy, this.#isOffPeak)) return true
    return false
  }

  /** What is kept for it stays kept while it may not start. */
  #keepMeanwhile(lane: Lane): void {
    if (this.#promiseOf(lane)?.node === undefined) this.#keepOfLimits(lane)
    else if (this.#kept.size < this.#state.policy.backfill.reservations) this.#keepFor(lane)
  }

  /**
   * Whoever has a node kept for him may use the gap before it himself: he keeps it while that is over in time. Another has his
   * part of the limit kept.
   */
  #keepThoughFull(lane: Lane): void {
    const { policy } = this.#state
    const promise = this.#promiseOf(lane)
    if (promise?.node !== undefined && this.#kept.size < policy.backfill.reservations) {
      const room = this.#roomInLimits(lane.group)
      if (room !== undefined && room.at <= promise.promisedAt + this.#maxDelayMs) {
        this.#keepFor(lane, room.at)
        return
      }
    }
    this.#keepOfLimits(lane)
  }

  #promiseOf(lane: Lane): Reservation | undefined {
    return this.#state.reservations.get(lane.first()?.job.id ?? '')
  }

  #roomInLimits(group: LaneGroup): RoomInLimits | undefined {
    this.#state.ledger.watchEnds(this.#state.holdings.values())
    return roomInLimits(group, this.#state.policy, this.#state.offPeak, this.#now)
  }

  /**
   * Of its user's and its group's limits, the part of the first that meets one is kept from those behind: else what is smaller
   * would always be there to take what comes free. One at a time for each, so that no more than its part lies idle.
   */
  #keepOfLimits(lane: Lane): void {
    const { group } = lane
    const { holders } = group.account
    if (holders.some((holder) => this.#atLimit.has(holder)) || this.#state.ableNodes(group.shape) === 0) return
    const room = this.#roomInLimits(group)
    if (room === undefined) return
    const { at, isOffPeak } = room
    const { job, since } = lane.first() as Entry
    // Till the hours of its larger limits begin others go on: half a day's work would wait for a job of the night. Only what could
    // not start in hours that have begun since it waits has its part kept by day too.
    if (isOffPeak && !this.#isOffPeak && !this.#hasSeenOpening(since)) return
    const promise = this.#promiseOf(lane)
    const isKept = promise !== undefined && promise.node === undefined && at <= promise.promisedAt + this.#maxDelayMs
    const { madeAt, promisedAt } = isKept ? promise : { madeAt: this.#now, promisedAt: at }
    const reservation = { jobId: job.id, at, madeAt, promisedAt }
    const kept = { reservation, group, isOffPeak, latest: promisedAt + this.#maxDelayMs }
    this.#keptLimits.add(kept)
    for (const holder of holders) this.#atLimit.set(holder, kept)
  }

  #hasSeenOpening(since: number): boolean {
    const opening = this.#state.offPeak?.nextOpening(since)
    return opening !== undefined && opening <= this.#now
  }

  #start(lane: Lane, node: NodeState): void {
    const { group } = lane
    const entry = lane.first() as Entry
    const holding = new Holding({ ...entry.job, node: node.name, placedAt: this.#now }, group.shape.size)
    const kept = this.#kept.get(node)
    if (kept !== undefined) shareNode(kept, holding, this.#now)
    this.#state.hold(node, holding)
    for (const holder of group.account.holders) holder.add(holding, 1)
    this.#placed.push({ entry, node, holding })
    lane.step()
    // The lane was served in this cycle: its next job has not waited.
    const next = lane.first()
    if (next !== undefined)
      this.#push({ lane, score: group.pointsWithoutAge(), seq: next.job.seq, place: undefined, keepsOnly: false })
  }

  /** @param from - Its user and group have room within their limits from then on. */
  #keepFor(lane: Lane, from = this.#now): void {
    const { job } = lane.first() as Entry
    const found = this.#roomFor({ group: lane.group, from }, this.#state.reservations.get(job.id))
    if (found === undefined) return
    const { node, room, madeAt, promisedAt } = found
    const reservation = { jobId: job.id, node: node.name, at: room.at, madeAt, promisedAt }
    const isOffPeak = this.#state.isOffPeak(room.at)
    const kept = { reservation, group: lane.group, isOffPeak, latest: promisedAt + this.#maxDelayMs }
    this.#keptLimits.add(kept)
    this.#kept.set(node, { ...kept, spare: spareOf(node, room, kept, this.#now) })
  }

  /**
   * The room that the last plan promised. Where it comes later than the policy allows, another node's, if that comes sooner
   * and would also at the latest: else a job could be sent from node to node for ever by estimates that do not hold.
   */
  #roomFor(wanted: Wanted, promise: Reservation | undefined): Found | undefined {
    const { shape } = wanted.group
    const node = promise?.node === undefined ? undefined : this.#state.nodes.get(promise.node)
    if (promise === undefined || node === undefined || this.#kept.has(node) || !isAble(node, shape))
      return this.#soonestRoom(wanted)
    const { madeAt, promisedAt } = promise
    const room = this.#roomOn(node, wanted)
    if (room === undefined) return undefined
    if (room.at <= promisedAt + this.#maxDelayMs) return { node, room, madeAt, promisedAt }
    const other = this.#soonestRoom(wanted, roomAtLatest(node, shape.size, this.#now))
    return other !== undefined && other.room.at < room.at ? other : { node, room, madeAt, promisedAt: room.at }
  }

  get #maxDelayMs(): number {
    return this.#state.policy.backfill.maxDelaySeconds * 1000
  }

  /** @param atLatest - Nodes on which there might be room later than this are left out. */
  #soonestRoom(wanted: Wanted, atLatest = Infinity): Found | undefined {
    const { shape } = wanted.group
    let best: Found | undefined
    let tried = 0
    for (const node of this.#state.free.fromEmptiest()) {
      if (!isAble(node, shape) || this.#kept.has(node)) continue
      if (++tried > nodesTried) break
      if (atLatest < Infinity && roomAtLatest(node, shape.size, this.#now) > atLatest) continue
      const room = this.#roomOn(node, wanted, best?.room.at)
      if (room === undefined) continue
      if (best === undefined || room.at < best.room.at) best = { node, room, madeAt: this.#now, promisedAt: room.at }
    }
    return best
  }

  /** When there is room on a node for a job that may start then. Undefined: not before `until`. */
  #roomOn(node: NodeState, { group: { shape, offPeak }, from }: Wanted, until?: number): Room | undefined {
    const room = earliestRoom(node, shape.size, this.#now, until === undefined ? Infinity : until + 1)
    if (room === undefined) return undefined
    const within = Math.max(room.at, from)
    const at = (offPeak ? this.#state.offPeak?.nextOpening(within) : undefined) ?? within
    return at === room.at ? room : roomAt(node, at, this.#now)
  }
}

/** So many of the nodes that could hold a job, those with the most free cores, are asked when they will have room. */
const nodesTried = 256

/** Jobs for which room is looked for, and from when on their limits let one start. */
interface Wanted {
  readonly group: LaneGroup
  readonly from: number
}

interface Found {
  readonly node: NodeState
  readonly room: Room
  readonly madeAt: number
  readonly promisedAt: number
}

/** A lane to be looked at. */
interface Candidate {
  readonly lane: Lane
  /** Points of its first job. */
  readonly score: number
  readonly seq: number
  /** Its place in its group, after which the next comes; undefined where it was served in this cycle and comes again. */
  readonly place: number | undefined
  /** It may not start now, only have a node kept. */
  readonly keepsOnly: boolean
}

const goesBefore = (a: Candidate, b: Candidate): boolean => a.score > b.score || (a.score === b.score && a.seq < b.seq)
