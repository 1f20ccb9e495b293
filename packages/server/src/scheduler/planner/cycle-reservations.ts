import type { Entry, Lane, LaneGroup } from '../cache/lane.ts'
import { isAble, type NodeState } from '../cache/node-state.ts'
import type { QueueState } from '../cache/queue-state.ts'
import type { QuotaHolder } from '../cache/quota-holder.ts'
import {
  earliestRoom,
  type LaneReservation,
  LimitReservations,
  type NodeReservation,
  type Room,
  roomAt,
  roomAtLatest,
  roomInLimits,
  type RoomInLimits,
  spareOf,
} from './reservations.ts'
import type { Reservation } from '../cache/snapshot.ts'

/** Of the nodes that could hold a job, the search for room reads so many: those with the most free cores. */
const nodesTried = 256

/** The reservations of one cycle: those of the last cycle that hold on, and new ones. */
export class CycleReservations {
  readonly onNodes = new Map<NodeState, NodeReservation>()
  readonly ofLimits = new LimitReservations()
  /** Quota holders with a reservation for the first job that met one of their limits. */
  readonly #atLimit = new Map<QuotaHolder, LaneReservation>()
  readonly #state: QueueState
  readonly #now: number
  readonly #isOffPeak: boolean
  readonly #maxDelayMs: number

  constructor(state: QueueState, now: number) {
    this.#state = state
    this.#now = now
    this.#isOffPeak = state.isOffPeak(now)
    this.#maxDelayMs = state.policy.backfill.maxDelaySeconds * 1000
  }

  /** Whether the policy allows another reservation of a node. */
  get areLeft(): boolean {
    return this.onNodes.size < this.#state.policy.backfill.reservations
  }

  /** For a job that lacks only room: a node. */
  reserveNode(lane: Lane): void {
    if (this.areLeft && this.#state.ableNodes(lane.group.shape) > 0) this.#reserveNodeFrom(lane, this.#now)
  }

  /**
   * For a job at a limit. A job with a reserved node may have used the gap before it for another job of its user: it keeps the node
   * while the limit has room in time. Any other gets its part of the limit reserved.
   */
  reserveAtLimit(lane: Lane): void {
    const previous = this.#previous(lane)
    if (previous?.node !== undefined && this.areLeft) {
      const room = this.#roomInLimits(lane.group)
      if (room !== undefined && room.at <= previous.firstAt + this.#maxDelayMs) {
        this.#reserveNodeFrom(lane, room.at)
        return
      }
    }
    this.#reserveLimit(lane)
  }

  /** For a job that may not start at this hour: the reservation that it has. */
  renew(lane: Lane): void {
    if (this.#previous(lane)?.node === undefined) this.#reserveLimit(lane)
    else if (this.areLeft) this.#reserveNodeFrom(lane, this.#now)
  }

  /**
   * Hands the reservations to the next cycle. A reservation of a limit also stays where the cycle ended before it came to the job:
   * a new one each time would restart its delay, for ever.
   */
  save(): void {
    const { reservations } = this.#state
    const before = [...reservations.values()]
    reservations.clear()
    for (const made of [this.onNodes, this.#atLimit])
      for (const { reservation } of made.values()) reservations.set(reservation.jobId, reservation)
    for (const previous of before)
      if (previous.node === undefined && !reservations.has(previous.jobId)) reservations.set(previous.jobId, previous)
  }

  #previous(lane: Lane): Reservation | undefined {
    return this.#state.reservations.get(lane.first()?.job.id ?? '')
  }

  /** @param from - The limits of its quota holders have room from then on. */
  #reserveNodeFrom(lane: Lane, from: number): void {
    const { job } = lane.first() as Entry
    const found = this.#roomFor({ group: lane.group, from }, this.#state.reservations.get(job.id))
    if (found === undefined) return
    const { node, room, madeAt, firstAt } = found
    const reservation = { jobId: job.id, node: node.name, at: room.at, madeAt, firstAt }
    const isOffPeak = this.#state.isOffPeak(room.at)
    const made = { reservation, group: lane.group, isOffPeak, latest: firstAt + this.#maxDelayMs }
    this.ofLimits.add(made)
    this.onNodes.set(node, { ...made, spare: spareOf(node, room, made, this.#now) })
  }

  /**
   * Reserves the part of a limit for the first job that meets it, or smaller jobs would take all that comes free. One for each
   * quota holder at a time, so that no more than that lies idle.
   */
  #reserveLimit(lane: Lane): void {
    const { group } = lane
    const { quotaHolders } = group.association
    if (quotaHolders.some((quotaHolder) => this.#atLimit.has(quotaHolder)) || this.#state.ableNodes(group.shape) === 0)
      return
    const room = this.#roomInLimits(group)
    if (room === undefined) return
    const { at, isOffPeak } = room
    const { job, since } = lane.first() as Entry
    // By day nothing is reserved for a job that only larger off-peak limits let start, or half a day's work would wait for it; unless
    // such hours have begun since the job waits and it could not start in them.
    if (isOffPeak && !this.#isOffPeak && !this.#hasSeenOpening(since)) return
    const previous = this.#previous(lane)
    const holdsOn = previous !== undefined && previous.node === undefined && at <= previous.firstAt + this.#maxDelayMs
    const { madeAt, firstAt } = holdsOn ? previous : { madeAt: this.#now, firstAt: at }
    const reservation = { jobId: job.id, at, madeAt, firstAt }
    const made = { reservation, group, isOffPeak, latest: firstAt + this.#maxDelayMs }
    this.ofLimits.add(made)
    for (const quotaHolder of quotaHolders) this.#atLimit.set(quotaHolder, made)
  }

  #roomInLimits(group: LaneGroup): RoomInLimits | undefined {
    this.#state.ledger.watchEnds(this.#state.allocations.values())
    return roomInLimits(group, this.#state.policy, this.#state.offPeak, this.#now)
  }

  #hasSeenOpening(since: number): boolean {
    const opening = this.#state.offPeak?.nextOpening(since)
    return opening !== undefined && opening <= this.#now
  }

  /**
   * The room that the last cycle reserved. Where it comes later than the policy allows, that of another node which is free sooner,
   * also at the latest: else wrong estimates could move a reservation from node to node for ever.
   */
  #roomFor(wanted: Wanted, previous: Reservation | undefined): Found | undefined {
    const { shape } = wanted.group
    const node = previous?.node === undefined ? undefined : this.#state.nodes.get(previous.node)
    if (previous === undefined || node === undefined || this.onNodes.has(node) || !isAble(node, shape))
      return this.#soonestRoom(wanted)
    const { madeAt, firstAt } = previous
    const room = this.#roomOn(node, wanted)
    if (room === undefined) return undefined
    if (room.at <= firstAt + this.#maxDelayMs) return { node, room, madeAt, firstAt }
    const other = this.#soonestRoom(wanted, roomAtLatest(node, shape.size, this.#now))
    return other !== undefined && other.room.at < room.at ? other : { node, room, madeAt, firstAt: room.at }
  }

  /** @param atLatest - Nodes that may have room later than this are left out. */
  #soonestRoom(wanted: Wanted, atLatest = Infinity): Found | undefined {
    const { shape } = wanted.group
    let best: Found | undefined
    let tried = 0
    for (const node of this.#state.free.fromEmptiest()) {
      if (!isAble(node, shape) || this.onNodes.has(node)) continue
      if (++tried > nodesTried) break
      if (atLatest < Infinity && roomAtLatest(node, shape.size, this.#now) > atLatest) continue
      const room = this.#roomOn(node, wanted, best?.room.at)
      if (room === undefined) continue
      if (best === undefined || room.at < best.room.at) best = { node, room, madeAt: this.#now, firstAt: room.at }
    }
    return best
  }

  /** When a node has room for a job that may start then. Undefined: not before `until`. */
  #roomOn(node: NodeState, { group: { shape, offPeak }, from }: Wanted, until?: number): Room | undefined {
    const room = earliestRoom(node, shape.size, this.#now, until === undefined ? Infinity : until + 1)
    if (room === undefined) return undefined
    const within = Math.max(room.at, from)
    const at = (offPeak ? this.#state.offPeak?.nextOpening(within) : undefined) ?? within
    return at === room.at ? room : roomAt(node, at, this.#now)
  }
}

/** The jobs that need room, and from when on their limits let one start. */
interface Wanted {
  readonly group: LaneGroup
  readonly from: number
}

interface Found {
  readonly node: NodeState
  readonly room: Room
  readonly madeAt: number
  readonly firstAt: number
}
