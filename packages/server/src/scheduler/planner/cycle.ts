import type { Entry, Lane } from '../cache/lane.ts'
import { Allocation, type NodeState } from '../cache/node-state.ts'
import type { QueueState } from '../cache/queue-state.ts'
import { type Candidate, Candidates } from './candidates.ts'
import { CycleReservations } from './cycle-reservations.ts'
import { type LimitReservations, mayBackfill, type NodeReservation, shareNode } from './reservations.ts'

/** What a cycle decides. */
export interface Decision {
  readonly placed: readonly Placed[]
  readonly nodeReservations: ReadonlyMap<NodeState, NodeReservation>
  readonly limitReservations: LimitReservations
  /** The cycle reached its limit of placements with candidates left that may fit. */
  readonly isCut: boolean
  /** When a job that found no reservation will have waited for long enough. */
  readonly nextReservable: number | undefined
}

/** A job that the cycle starts. */
interface Placed {
  readonly entry: Entry
  readonly node: NodeState
  readonly allocation: Allocation
}

/** What becomes of a candidate's job in this cycle. */
type Nomination =
  | { readonly type: 'start'; readonly node: NodeState }
  | { readonly type: 'noRoom' | 'atLimit' | 'behindReservation' | 'notAtThisHour' }

let cycles = 0

/**
 * One scheduling cycle: starts what fits and may start, in order; reserves a node for the first few jobs that have waited and find no
 * room, and a part of a limit for the first that meets it; lets later jobs start where they delay no reservation. Of the state only
 * the reservations change: a placement becomes true when the planner receives it as an event.
 */
export function runCycle(state: QueueState, now: number, mostPlacements: number): Decision {
  const candidates = new Candidates(state, now, ++cycles)
  const reservations = new CycleReservations(state, now)
  const cycle = { state, now, isOffPeak: state.isOffPeak(now), candidates, reservations }
  const placed: Placed[] = []
  let isCut = false
  try {
    // 1. Settle lanes, compute shares, mark sizes that fit no node.
    candidates.prepare()
    // 2. Collect heads: the first lane of each group, and jobs that only keep a reservation.
    candidates.addHeads()
    // 3. Order: the candidate with the most points next, while one may start or get a reservation.
    while (!candidates.isEmpty && (candidates.areHopeful || (reservations.areLeft && candidates.areReservable))) {
      if (placed.length >= mostPlacements) {
        isCut = candidates.areHopeful
        break
      }
      const candidate = candidates.pop()
      // 4. Nominate: limits, reservations, then a node.
      const nomination = nominate(candidate, cycle)
      // 5. Admit the job, or reserve what it lacks.
      if (nomination.type === 'start') placed.push(start(candidate.lane, nomination.node, cycle))
      else if (candidates.isReservable(candidate)) reserve(candidate.lane, nomination, reservations)
      // 6. Requeue: the next job of the lane, the next lane of the group.
      requeue(candidate, nomination, cycle)
    }
    // 7. Hand the reservations to the next cycle.
    reservations.save()
    const nextReservable = reservations.areLeft ? candidates.nextReservable : undefined
    return {
      placed,
      nodeReservations: reservations.onNodes,
      limitReservations: reservations.ofLimits,
      isCut,
      nextReservable,
    }
  } finally {
    rollBack(placed, state)
  }
}

interface Cycle {
  readonly state: QueueState
  readonly now: number
  readonly isOffPeak: boolean
  readonly candidates: Candidates
  readonly reservations: CycleReservations
}

const [noRoom, atLimit, behindReservation, notAtThisHour] = (
  ['noRoom', 'atLimit', 'behindReservation', 'notAtThisHour'] as const
).map((type) => ({ type })) as [Nomination, Nomination, Nomination, Nomination]

function nominate({ lane, reservesOnly }: Candidate, cycle: Cycle): Nomination {
  const { state, now, reservations } = cycle
  const { shape } = lane.group
  if (reservesOnly) return notAtThisHour
  if (exceedsLimit(lane, cycle)) return atLimit
  if (reservations.ofLimits.blocking(lane, state.policy, now) !== undefined) return behindReservation
  if (cycle.candidates.isBlocked(shape)) return noRoom
  const node = state.free.best(shape.size, shape.gpuKind, (one) => {
    const reserved = reservations.onNodes.get(one)
    return reserved === undefined || mayBackfill(reserved, lane, now)
  })
  return node === undefined ? noRoom : { type: 'start', node }
}

function exceedsLimit({ group: { association, shape } }: Lane, { state, isOffPeak }: Cycle): boolean {
  // Without a closure: every candidate comes here.
  for (const quotaHolder of association.quotaHolders)
    if (quotaHolder.wouldExceed(shape.size, state.policy, isOffPeak)) return true
  return false
}

/** Allocates the job's capacity for the rest of the cycle. */
function start(lane: Lane, node: NodeState, { state, now, reservations }: Cycle): Placed {
  const { group } = lane
  const entry = lane.first() as Entry
  const allocation = new Allocation({ ...entry.job, node: node.name, placedAt: now }, group.shape.size)
  const reserved = reservations.onNodes.get(node)
  if (reserved !== undefined) shareNode(reserved, allocation, now)
  state.allocate(node, allocation)
  for (const quotaHolder of group.association.quotaHolders) quotaHolder.add(allocation, 1)
  lane.advance()
  return { entry, node, allocation }
}

function reserve(lane: Lane, { type }: Nomination, reservations: CycleReservations): void {
  if (type === 'noRoom') reservations.reserveNode(lane)
  if (type === 'atLimit') reservations.reserveAtLimit(lane)
  if (type === 'notAtThisHour') reservations.renew(lane)
}

/** A lane at a limit is not followed by the next of its group, which asks for the same under the same limits. */
function requeue(candidate: Candidate, { type }: Nomination, { state, candidates }: Cycle): void {
  if (type === 'atLimit' || type === 'notAtThisHour') return
  const { shape } = candidate.lane.group
  if (type === 'noRoom' && !candidates.isBlocked(shape) && state.free.best(shape.size, shape.gpuKind) === undefined)
    candidates.block(shape)
  if (type === 'start') candidates.addNextJob(candidate.lane)
  candidates.addNextLane(candidate)
}

/** Takes the placements back: they become true when the planner receives them as events. */
function rollBack(placed: readonly Placed[], state: QueueState): void {
  for (const { entry, node, allocation } of placed) {
    state.release(node, allocation)
    for (const quotaHolder of entry.lane.group.association.quotaHolders) quotaHolder.add(allocation, -1)
    entry.lane.rewind()
  }
}
