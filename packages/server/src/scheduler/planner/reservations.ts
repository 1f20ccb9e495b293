import type { Lane, LaneGroup } from '../cache/lane.ts'
import type { QuotaHolder } from '../cache/quota-holder.ts'
import type { Allocation, NodeState } from '../cache/node-state.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import { longestTimeSeconds } from '../rules/longest-time.ts'
import { fits, minus, plus, type Size } from '../rules/size.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { PlannedJob, Reservation } from '../cache/snapshot.ts'

/** A reservation for the first job of a lane: of its part of its quota holders' limits. */
export interface LaneReservation {
  readonly reservation: Reservation
  readonly group: LaneGroup
  /** The job is expected to start in off-peak hours: those limits apply. */
  readonly isOffPeak: boolean
  /** When the jobs that backfill started beside it have ended at the latest. */
  readonly latest: number
}

/** A reservation of a node, too. */
export interface NodeReservation extends LaneReservation {
  /** What the node has left beside the job when that starts: jobs that run longer must fit in it. */
  spare: Size
}

/** When there is room on a node, and what is free then. */
export interface Room {
  readonly at: number
  readonly free: Size
}

/** When a node is expected to have room for a job of this size. Undefined: not before `until`. */
export function earliestRoom(node: NodeState, asks: Size, now: number, until = Infinity): Room | undefined {
  if (fits(asks, node.free)) return { at: now, free: node.free }
  const allocations = node.allocations(now)
  let { milliCores, mib, gpus } = node.free
  for (let i = 0; i < allocations.length; i++) {
    const { end, size } = allocations[i] as Allocation
    if (end >= until) return undefined
    milliCores += size.milliCores
    mib += size.mib
    gpus += size.gpus
    const free = { milliCores, mib, gpus }
    // Allocations that end at the same instant are free together.
    if (allocations[i + 1]?.end !== end && fits(asks, free)) return { at: end, free }
  }
  return undefined
}

/** What is expected to be free on a node at a later instant. */
export function roomAt(node: NodeState, at: number, now: number): Room {
  let { free } = node
  for (const { end, size } of node.allocations(now)) {
    if (end > at) break
    free = plus(free, size)
  }
  return { at, free }
}

/** When a node has room at the latest: each job there runs to its time limit. */
export function roomAtLatest(node: NodeState, asks: Size, now: number): number {
  const byLimit = node
    .allocations(now)
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
 * What a reserved node has left when its job starts. A job that was placed there since, because there was enough for both, is
 * assumed to run on, whatever its estimate.
 */
export function spareOf(node: NodeState, room: Room, reserved: LaneReservation, now: number): Size {
  const { reservation, group, latest } = reserved
  let spare = minus(room.free, group.shape.size)
  for (const { job, size, end } of node.allocations(now)) {
    if (end > room.at) break
    if (job.placedAt >= reservation.madeAt && job.placedAt + trustedMs(job) > latest) spare = minus(spare, size)
  }
  return spare
}

/** When limits let a job start. */
export interface RoomInLimits {
  readonly at: number
  /** That is in off-peak hours. */
  readonly isOffPeak: boolean
}

/**
 * When the limits of their quota holders let another of these jobs start, by the expected ends of allocations: by day or
 * off-peak, whichever is sooner. Undefined: never.
 */
export function roomInLimits(
  { association, shape, offPeak: isForOffPeak }: LaneGroup,
  policy: Policy,
  offPeak: OffPeakHours | undefined,
  now: number,
): RoomInLimits | undefined {
  let soonest: RoomInLimits | undefined
  for (const isOffPeak of offPeak === undefined ? [false] : [false, true]) {
    if (isForOffPeak && offPeak !== undefined && !isOffPeak) continue
    const rooms = association.quotaHolders.map(
      (quotaHolder) => quotaHolder.roomAt(shape.size, policy, isOffPeak, now) ?? Infinity,
    )
    const room = Math.max(...rooms)
    if (room === Infinity) continue
    const at = offPeak === undefined || offPeak.isOpen(room) === isOffPeak ? room : offPeak.nextEdge(room)
    if (at !== undefined && (soonest === undefined || at < soonest.at)) soonest = { at, isOffPeak }
  }
  return soonest
}

/** The part of a quota holder's limits that reservations keep from a job. */
export interface ReservedOfLimit {
  readonly quotaHolder: QuotaHolder
  readonly isOffPeak: boolean
  readonly size: Size
  readonly jobs: number
}

/** Reservations by the quota holders whose limits they count under. */
export class LimitReservations {
  readonly #of = new Map<QuotaHolder, LaneReservation[]>()

  add(reserved: LaneReservation): void {
    for (const quotaHolder of reserved.group.association.quotaHolders) {
      const known = this.#of.get(quotaHolder)
      if (known === undefined) this.#of.set(quotaHolder, [reserved])
      else known.push(reserved)
    }
  }

  /**
   * The reservations that stop a lane's first job: with them it would exceed a limit of its user or group. Undefined where it would
   * not. A reservation before whose start the job ends does not count.
   */
  blocking(lane: Lane, policy: Policy, now: number): ReservedOfLimit | undefined {
    const { association, shape } = lane.group
    for (const quotaHolder of association.quotaHolders) {
      if (!quotaHolder.isLimited(policy)) continue
      const inTheWay = this.#of.get(quotaHolder)?.filter((reserved) => !endsBefore(reserved, lane, now))
      if (inTheWay === undefined || inTheWay.length === 0) continue
      for (const isOffPeak of new Set(inTheWay.map((reserved) => reserved.isOffPeak))) {
        const sizes = inTheWay.filter((each) => each.isOffPeak === isOffPeak).map(({ group }) => group.shape.size)
        const reserved = { size: sizes.reduce(plus), jobs: sizes.length }
        if (quotaHolder.wouldExceed(shape.size, policy, isOffPeak, reserved))
          return { quotaHolder, isOffPeak, ...reserved }
      }
    }
    return undefined
  }
}

/** Whether a job may start on a reserved node: it ends before the reservation, or it leaves enough. */
export function mayBackfill(reserved: NodeReservation, lane: Lane, now: number): boolean {
  return endsBefore(reserved, lane, now) || fits(lane.group.shape.size, reserved.spare)
}

/**
 * A job starts on a reserved node: where it may still run when the reservation begins, its size comes off the spare. The next plan
 * counts the same ({@link spareOf}), or it would find room that this one did not.
 */
export function shareNode(reserved: NodeReservation, { job, size }: Allocation, now: number): void {
  if (now + trustedMs(job) > reserved.reservation.at) reserved.spare = minus(reserved.spare, size)
}

/** How long backfill trusts a job to run. */
const trustedMs = ({ trustedSeconds, limitSeconds }: PlannedJob): number => (trustedSeconds ?? limitSeconds) * 1000

/**
 * Whether a job is trusted to end before a reservation. By past runs some do not: even those have met their limit by the instant at
 * which jobs that ran when the reservation was made may still run, and the policy's delay. So wrong ones cannot put it off for ever.
 */
function endsBefore({ reservation, latest }: LaneReservation, lane: Lane, now: number): boolean {
  if (now + lane.trustedSeconds * 1000 > reservation.at) return false
  const atLatest = reservation.madeAt + longestTimeSeconds * 1000 + (latest - reservation.firstAt)
  return lane.trustedSeconds === lane.limitSeconds || now + lane.limitSeconds * 1000 <= atLatest
}
