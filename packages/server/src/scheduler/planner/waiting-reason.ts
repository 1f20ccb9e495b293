import type { Capacity } from '../../job/resources.ts'
import type { Lane, LaneGroup } from '../cache/lane.ts'
import { isAble, type NodeState } from '../cache/node-state.ts'
import type { QueueState } from '../cache/queue-state.ts'
import type { Shape } from '../cache/shape.ts'
import type { LimitHit, Reason } from '../cache/snapshot.ts'
import { capacityOf } from '../rules/size.ts'
import type { Decision } from './cycle.ts'
import { type LaneReservation, mayBackfill } from './reservations.ts'

/** What the last cycle decided, as far as it explains why a job waits. */
export type LastDecision = Pick<Decision, 'nodeReservations' | 'limitReservations' | 'isCut'> & {
  /** The node of each job that the cycle placed. */
  readonly placed: ReadonlyMap<string, string>
}

/** Why a job waits; undefined where it does not. By the last cycle and the changes since. */
export function reasonOf(jobId: string, state: QueueState, last: LastDecision, now: number): Reason | undefined {
  const later = state.laterJob(jobId)
  if (later?.notBefore !== undefined) return { kind: 'not-before', at: later.notBefore }
  const entry = state.entries.get(jobId)
  if (entry === undefined) return undefined
  const { lane, job } = entry
  const { group } = lane
  const { shape } = group
  const node = last.placed.get(jobId)
  if (node !== undefined) return { kind: 'placed', node }
  if (!state.mayStart(group, now)) return { kind: 'window', opensAt: state.offPeak?.nextOpening(now) }
  const asks = job.needs
  const reservation = state.reservations.get(jobId)
  if (reservation?.node !== undefined && state.nodes.has(reservation.node))
    return { kind: 'reservation', asks, at: reservation.at, node: reservation.node }
  const limit = limitHit(group, state, now)
  if (limit !== undefined) return { kind: 'limit', ...limit }
  const ableNodes = state.ableNodes(shape)
  if (ableNodes === 0) return { kind: 'no-node', asks, largest: largest(state, ({ total }) => total) }
  if (state.free.best(shape.size, shape.gpuKind) === undefined) {
    const mostFree = largest(state, ({ free }) => free, shape) ?? { cores: 0, memoryGb: 0, gpus: 0 }
    return { kind: 'resources', asks, ableNodes, mostFree }
  }
  const reservedLimit = reservedLimitHit(lane, state, last, now)
  if (reservedLimit !== undefined) return { kind: 'limit', ...reservedLimit }
  const inTheWay = reservationInTheWay(lane, state, last, now)
  if (last.isCut || inTheWay === undefined) return { kind: 'turn' }
  return { kind: 'backfill', reservedAt: inTheWay.reservation.at, plannedSeconds: lane.trustedSeconds }
}

function limitHit({ association, shape }: LaneGroup, state: QueueState, now: number): LimitHit | undefined {
  const { policy, offPeak } = state
  const isOffPeak = state.isOffPeak(now)
  const opensAt = offPeak?.nextOpening(now)
  return (
    association.user.hit(shape.size, policy, isOffPeak, opensAt) ??
    association.group?.hit(shape.size, policy, isOffPeak, opensAt)
  )
}

/** The limit that the job meets together with reservations for others. */
function reservedLimitHit(lane: Lane, state: QueueState, last: LastDecision, now: number): LimitHit | undefined {
  const { policy, offPeak } = state
  const reserved = last.limitReservations.blocking(lane, policy, now)
  const opensAt = offPeak?.nextOpening(now)
  return reserved?.quotaHolder.hit(lane.group.shape.size, policy, reserved.isOffPeak, opensAt, reserved)
}

/** The first reservation that keeps a job off the nodes that have room; undefined where one of them is free for it. */
function reservationInTheWay(
  lane: Lane,
  state: QueueState,
  last: LastDecision,
  now: number,
): LaneReservation | undefined {
  let first: LaneReservation | undefined
  const { shape } = lane.group
  const free = state.free.best(shape.size, shape.gpuKind, (node) => {
    const reserved = last.nodeReservations.get(node)
    if (reserved === undefined || mayBackfill(reserved, lane, now)) return true
    if (first === undefined || reserved.reservation.at < first.reservation.at) first = reserved
    return false
  })
  return free === undefined ? first : undefined
}

/** The largest amount on a single node: by cores, then memory. */
function largest(
  state: QueueState,
  amount: (node: NodeState) => NodeState['total'],
  able?: Shape,
): Capacity | undefined {
  let most: NodeState['total'] | undefined
  for (const node of state.nodes.values()) {
    if (able !== undefined && !isAble(node, able)) continue
    const size = amount(node)
    if (
      most === undefined ||
      size.milliCores > most.milliCores ||
      (size.milliCores === most.milliCores && size.mib > most.mib)
    )
      most = size
  }
  return most === undefined ? undefined : capacityOf(most)
}
