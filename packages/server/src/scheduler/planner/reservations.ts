import type { Lane, LaneGroup } from '../cache/lane.ts'
import type { HolderState } from '../cache/ledger.ts'
import { expectedEnd, type Holding, type NodeState } from '../cache/node-state.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import { fits, minus, plus, type Size } from '../rules/size.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { Reservation } from '../cache/snapshot.ts'

/** What is kept for the first job of a lane: its part of what its user and group may hold at once. */
export interface Kept {
  readonly reservation: Reservation
  /** Whose it is. */
  readonly group: LaneGroup
  /** It is off-peak when the job starts: those limits count. */
  readonly isOffPeak: boolean
  /** When whatever was started beside it in trust has ended at the latest. */
  readonly latest: number
}

/** A node is kept for it, too. */
export interface KeptNode extends Kept {
  /** What is left of the node when the job starts, beside it: what runs longer must do with it. */
  spare: Size
}

/** When there is room on a node, and what is free then. */
export interface Room {
  readonly at: number
  readonly free: Size
}

/** When enough of a node has ended for a job of this size. Undefined: not before `until`. */
export function earliestRoom(node: NodeState, asks: Size, now: number, until = Infinity): Room | undefined {
  if (fits(asks, node.free)) return { at: now, free: node.free }
  const holdings = node.holdings(now)
  let { milliCores, mib, gpus } = node.free
  for (let i = 0; i < holdings.length; i++) {
    const { end, size } = holdings[i] as Holding
    if (end >= until) return undefined
    milliCores += size.milliCores
    mib += size.mib
    gpus += size.gpus
    const free = { milliCores, mib, gpus }
    // What ends at the same instant is free then too.
    if (holdings[i + 1]?.end !== end && fits(asks, free)) return { at: end, free }
  }
  return undefined
}

/** What is expected to be free on a node at an instant to come. */
export function roomAt(node: NodeState, at: number, now: number): Room {
  let { free } = node
  for (const { end, size } of node.holdings(now)) {
    if (end > at) break
    free = plus(free, size)
  }
  return { at, free }
}

/** When enough of a node has ended at the latest: whatever runs there has come to its time limit. */
export function roomAtLatest(node: NodeState, asks: Size, now: number): number {
  const byLimit = node
    .holdings(now)
    .map(({ job, size }) => ({ at: job.placedAt + job.limitSeconds * 1000, size }))
    .toSorted((a, b) => a.at - b.at)
  let { free } = node
  let latest = now
  for (const { at, size } of byLimit) {
    if (fits(asks, free)) break
    free = plus(free, size)
    latest = Math.max(latest, at)
  }
  return latest
}

/**
 * What is left of a node that is kept for a job when that starts. Whoever started on it since it was chosen because there was
 * enough for both is taken to run on, whatever is expected of him.
 */
export function spareOf(node: NodeState, room: Room, { reservation, group, latest }: Kept, now: number): Size {
  let spare = minus(room.free, group.shape.size)
  for (const { job, size, end } of node.holdings(now)) {
    if (end > room.at) break
    if (job.placedAt >= reservation.madeAt && job.placedAt + job.limitSeconds * 1000 > latest)
      spare = minus(spare, size)
  }
  return spare
}

/** When limits let a job start. */
export interface RoomInLimits {
  readonly at: number
  /** It is off-peak then. */
  readonly isOffPeak: boolean
}

/**
 * When their limits let another of these jobs start, as far as is expected of what is held: by day or off-peak, whichever is
 * sooner. Undefined: never.
 */
export function roomInLimits(
  { account, shape, offPeak: isForOffPeak }: LaneGroup,
  policy: Policy,
  offPeak: OffPeakHours | undefined,
  now: number,
): RoomInLimits | undefined {
  let soonest: RoomInLimits | undefined
  for (const isOffPeak of offPeak === undefined ? [false] : [false, true]) {
    if (isForOffPeak && offPeak !== undefined && !isOffPeak) continue
    const rooms = account.holders.map((holder) => holder.roomAt(shape.size, policy, isOffPeak, now) ?? Infinity)
    const room = Math.max(...rooms)
    if (room === Infinity) continue
    const at = offPeak === undefined || offPeak.isOpen(room) === isOffPeak ? room : offPeak.nextEdge(room)
    if (at !== undefined && (soonest === undefined || at < soonest.at)) soonest = { at, isOffPeak }
  }
  return soonest
}

/** What of a holder's limits is kept from a job. */
export interface KeptOfLimit {
  readonly holder: HolderState
  readonly isOffPeak: boolean
  readonly size: Size
  readonly jobs: number
}

/** What is kept of everybody's limits. */
export class KeptLimits {
  readonly #of = new Map<HolderState, Kept[]>()

  add(kept: Kept): void {
    for (const holder of kept.group.account.holders) {
      const known = this.#of.get(holder)
      if (known === undefined) this.#of.set(holder, [kept])
      else known.push(kept)
    }
  }

  /**
   * What is kept of the limits of a lane's user or group, where one of its jobs would exceed them with that; undefined where
   * it would not. Those count before which it would not be over.
   */
  keptFrom(lane: Lane, policy: Policy, now: number): KeptOfLimit | undefined {
    const { account, shape } = lane.group
    for (const holder of account.holders) {
      if (!holder.isLimited(policy)) continue
      const inTheWay = this.#of.get(holder)?.filter((kept) => !endsBefore(kept, lane, now))
      if (inTheWay === undefined || inTheWay.length === 0) continue
      for (const isOffPeak of new Set(inTheWay.map((kept) => kept.isOffPeak))) {
        const sizes = inTheWay.filter((kept) => kept.isOffPeak === isOffPeak).map(({ group }) => group.shape.size)
        const kept = { size: sizes.reduce(plus), jobs: sizes.length }
        if (holder.isFull(shape.size, policy, isOffPeak, kept)) return { holder, isOffPeak, ...kept }
      }
    }
    return undefined
  }
}

/**
 * Whether a job may start on a node that is kept for another: it ends before, as far as it is trusted, and even at its
 * limit delays the other by no more than the policy says, counted from what was promised first; or it leaves enough.
 */
export function mayBackfill(kept: KeptNode, lane: Lane, now: number): boolean {
  return endsBefore(kept, lane, now) || fits(lane.group.shape.size, kept.spare)
}

/**
 * A job was started beside what is kept: where it may still run then, it has its part of what is spare. The next plan reckons
 * so too ({@link spareOf}), or it would find room at the same instant that this one did not.
 */
export function shareNode(kept: KeptNode, { job, size }: Holding, now: number): void {
  const isOver = expectedEnd(job, now) <= kept.reservation.at && now + job.limitSeconds * 1000 <= kept.latest
  if (!isOver) kept.spare = minus(kept.spare, size)
}

const endsBefore = ({ reservation, latest }: Kept, { plannedSeconds, limitSeconds }: Lane, now: number): boolean =>
  now + plannedSeconds * 1000 <= reservation.at && now + limitSeconds * 1000 <= latest
