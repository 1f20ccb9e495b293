import type { Lane, LaneGroup } from './lane.ts'
import type { HolderState } from './ledger.ts'
import type { Holding, NodeState } from './node-state.ts'
import { fits, minus, nothing, plus, type Size } from './size.ts'
import type { Policy, Reservation } from './snapshot.ts'

/** A node kept for the first job of a lane. */
export interface Kept {
  readonly reservation: Reservation
  /** Whose it is: of what they may hold at once, the job's part is kept too. */
  readonly group: LaneGroup
  /** Its job may not start now: the reservation takes nothing of what its user and group may hold. */
  readonly isForLater: boolean
  /** When whatever was started beside it in trust has ended at the latest. */
  readonly latest: number
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
    if (milliCores < asks.milliCores || mib < asks.mib || gpus < asks.gpus) continue
    // What ends at the same instant is free then too.
    if (holdings[i + 1]?.end !== end) return { at: end, free: { milliCores, mib, gpus } }
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
 * Keeps a node for the first job of a lane. Whoever started on it since it was chosen because there was enough for both is
 * taken to run on, whatever is expected of him.
 */
export function keep(
  node: NodeState,
  group: LaneGroup,
  {
    reservation,
    room,
    latest,
    isForLater,
  }: Pick<Kept, 'reservation' | 'latest' | 'isForLater'> & { readonly room: Room },
  now: number,
): Kept {
  let spare = minus(room.free, group.shape.size)
  for (const { job, size, end } of node.holdings(now)) {
    if (end > room.at) break
    if (job.placedAt >= reservation.madeAt && job.placedAt + job.limitSeconds * 1000 > latest)
      spare = minus(spare, size)
  }
  return { reservation, group, latest, isForLater, spare }
}

/** What of a holder's limits is kept for reservations. */
export interface KeptOfLimit {
  readonly holder: HolderState
  readonly size: Size
  readonly jobs: number
}

/**
 * What reservations keep of the limits of a lane's user or group, where one of its jobs would exceed them with that;
 * undefined where it would not. Those count before which it would not be over.
 */
export function keptOfLimit(
  kept: Iterable<Kept>,
  lane: Lane,
  policy: Policy,
  isOffPeak: boolean,
  now: number,
): KeptOfLimit | undefined {
  const { account, shape } = lane.group
  for (const holder of [account.user, account.group]) {
    if (holder === undefined) continue
    let size = nothing
    let jobs = 0
    for (const one of kept) {
      const { user, group } = one.group.account
      if (one.isForLater || (user !== holder && group !== holder) || endsBefore(one, lane, now)) continue
      size = plus(size, one.group.shape.size)
      jobs++
    }
    if (jobs > 0 && holder.isFull(plus(size, shape.size), policy, isOffPeak, jobs)) return { holder, size, jobs }
  }
  return undefined
}

/**
 * Whether a job may start on a node that is kept for another: it ends before, as far as it is trusted, and even at its
 * limit delays the other by no more than the policy says, counted from what was promised first; or it leaves enough.
 */
export function mayBackfill(kept: Kept, lane: Lane, now: number): boolean {
  return endsBefore(kept, lane, now) || fits(lane.group.shape.size, kept.spare)
}

/** A job was started beside what is kept: where it will still run then, it has its part of what is spare. */
export function shareNode(kept: Kept, lane: Lane, now: number): void {
  if (!endsBefore(kept, lane, now)) kept.spare = minus(kept.spare, lane.group.shape.size)
}

const endsBefore = ({ reservation, latest }: Kept, { plannedSeconds, limitSeconds }: Lane, now: number): boolean =>
  now + plannedSeconds * 1000 <= reservation.at && now + limitSeconds * 1000 <= latest
