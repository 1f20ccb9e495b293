import { isAble, type NodeState } from '../cache/node-state.ts'
import type { NodeReservation } from '../planner/reservations.ts'
import { capacityOf, leastOf, nothing, sizeOfRequest, type Size } from '../rules/size.ts'
import type { Needs, QueuedJob } from '../cache/snapshot.ts'

/** What could be different about a job that is submitted again. */
export interface Modification {
  readonly needs?: Needs
  /** A shorter `--time`. */
  readonly limitSeconds?: number
  /** Not only in off-peak hours. */
  readonly anyHour?: true
  /** Without its `--after`. */
  readonly atOnce?: true
}

/** A modification with which a job would start now, on this node. */
export interface Counterfactual {
  readonly modification: Modification
  readonly node: string
}

/** The job with a modification, as it would be if it were submitted now: a queued job cannot be modified. */
export function submittedWith(
  job: QueuedJob,
  { needs, limitSeconds, anyHour, atOnce }: Modification,
  now: number,
): QueuedJob {
  const { offPeak, notBefore, agesSince: _, ...rest } = job
  const seconds = limitSeconds ?? job.limitSeconds
  return {
    ...rest,
    ...(offPeak === undefined || anyHour ? {} : { offPeak }),
    ...(notBefore === undefined || atOnce ? {} : { notBefore }),
    needs: needs ?? job.needs,
    limitSeconds: seconds,
    estimateSeconds: Math.min(job.estimateSeconds, seconds),
    ...(job.trustedSeconds === undefined ? {} : { trustedSeconds: Math.min(job.trustedSeconds, seconds) }),
    submittedAt: now,
    seq: Number.MAX_SAFE_INTEGER,
  }
}

/** What decides which modifications are worth trying. */
export interface FreeRoom {
  readonly nodes: Iterable<NodeState>
  readonly reservations: ReadonlyMap<NodeState, NodeReservation>
  /** What the limits of the job's user and group leave. */
  readonly headroom: Size
  /** It is not off-peak now. */
  readonly isShut: boolean
}

/**
 * Modifications that may start a job now, those first that give up least: at once, at any hour; less of what a node, its spare
 * beside a reservation, or a limit lacks; a time that ends before a reservation. The caller tries them.
 */
export function modificationsWorthTrying(job: QueuedJob, room: FreeRoom, now: number): readonly Modification[] {
  // A returned job has `agesSince`: it would meet the same obstacle again.
  const isLater = job.notBefore !== undefined && job.notBefore > now && job.agesSince === undefined
  const isShut = job.offPeak === true && room.isShut
  const free: Modification = { ...(isLater ? { atOnce: true } : {}), ...(isShut ? { anyHour: true } : {}) }
  const asks = sizeOfRequest(job.needs)
  const gpuKind = asks.gpus > 0 ? job.needs.gpuKind : undefined
  const modifications = new Map<string, Modification>()
  const propose = (modification: Modification): void => {
    if (Object.keys(modification).length > 0) modifications.set(JSON.stringify(modification), modification)
  }
  propose(free)
  const offers = new Map<string, Size>()
  const offer = (size: Size): void => {
    const most = leastOf(leastOf(size, room.headroom), asks)
    offers.set(`${most.milliCores} ${most.mib} ${most.gpus}`, most)
  }
  for (const node of room.nodes) {
    if (!isAble(node, { size: nothing, gpuKind })) continue
    offer(node.free)
    const reserved = room.reservations.get(node)
    if (reserved === undefined || reserved.reservation.jobId === job.id) continue
    offer(leastOf(node.free, reserved.spare))
    // Backfill rounds a run time up by up to a quarter.
    const seconds = Math.floor(((reserved.reservation.at - now) / 1000 - submissionSeconds) / 1.25)
    if (seconds >= 60 && seconds < job.limitSeconds) propose({ ...free, limitSeconds: seconds })
  }
  for (const size of offers.values()) {
    const needs = asMuchAs(size, job.needs)
    if (needs !== undefined) propose({ ...free, needs })
  }
  return [...modifications.values()].toSorted((a, b) => sacrifice(a, job) - sacrifice(b, job))
}

/** The time that a user may take to submit the job again. */
const submissionSeconds = 60

/** The job's needs, no more than this; undefined where that is all it asks for, or nothing of something. */
function asMuchAs(size: Size, asks: Needs): Needs | undefined {
  const most = capacityOf(size)
  // An amount that suffices stays as asked for; any other is rounded down to whole cores and GiB.
  const amount = (what: 'cores' | 'memoryGb' | 'gpus'): number =>
    asks[what] === 0 || most[what] >= asks[what] - 1e-3 ? asks[what] : Math.floor(most[what])
  const [cores, memoryGb, gpus] = [amount('cores'), amount('memoryGb'), amount('gpus')]
  const isNothing = cores <= 0 || memoryGb <= 0 || (asks.gpus > 0 && gpus <= 0)
  const isAll = cores === asks.cores && memoryGb === asks.memoryGb && gpus === asks.gpus
  return isNothing || isAll ? undefined : { ...asks, cores, memoryGb, gpus }
}

/** How much a modification gives up: the sum of the parts of each amount that the job asks for. */
function sacrifice({ needs, limitSeconds }: Modification, job: QueuedJob): number {
  const lost = (is: number | undefined, was: number): number => (is === undefined || was === 0 ? 0 : 1 - is / was)
  return (
    lost(needs?.cores, job.needs.cores) +
    lost(needs?.memoryGb, job.needs.memoryGb) +
    lost(needs?.gpus, job.needs.gpus) +
    lost(limitSeconds, job.limitSeconds)
  )
}

/** Whether a modification leaves no more of any amount than another does. */
export function givesUpMore(modification: Modification, than: Modification, job: QueuedJob): boolean {
  const amounts = ({ needs = job.needs, limitSeconds = job.limitSeconds }: Modification): readonly number[] => [
    needs.cores,
    needs.memoryGb,
    needs.gpus,
    limitSeconds,
  ]
  const other = amounts(than)
  return amounts(modification).every((amount, i) => amount <= (other[i] ?? 0))
}
