import { isAble, type NodeState } from '../cache/node-state.ts'
import type { KeptNode } from '../planner/reservations.ts'
import { capacityOf, leastOf, nothing, sizeOfRequest, type Size } from '../rules/size.ts'
import type { Needs, QueuedJob } from '../cache/snapshot.ts'

/** What could be otherwise with a job. */
export interface Change {
  readonly needs?: Needs
  /** A shorter `--time`. */
  readonly limitSeconds?: number
  /** Not only in off-peak hours. */
  readonly anyHour?: true
  /** Without its `--after`. */
  readonly atOnce?: true
}

/** A change that would start a job now, on this node. */
export interface Counterfactual {
  readonly change: Change
  readonly node: string
}

/** The job with the change, as it would be if it were submitted now: a queued job stays as it is. */
export function submittedWith(
  job: QueuedJob,
  { needs, limitSeconds, anyHour, atOnce }: Change,
  now: number,
): QueuedJob {
  const { offPeak, notBefore, ...rest } = job
  const seconds = limitSeconds ?? job.limitSeconds
  return {
    ...rest,
    ...(offPeak === undefined || anyHour ? {} : { offPeak }),
    ...(notBefore === undefined || atOnce ? {} : { notBefore }),
    needs: needs ?? job.needs,
    limitSeconds: seconds,
    estimateSeconds: Math.min(job.estimateSeconds, seconds),
    submittedAt: now,
    seq: Number.MAX_SAFE_INTEGER,
  }
}

/** What decides which changes are worth trying. */
export interface Room {
  readonly nodes: Iterable<NodeState>
  readonly kept: ReadonlyMap<NodeState, KeptNode>
  /** What its user and group may still hold. */
  readonly headroom: Size
  /** Off-peak hours are not now. */
  readonly isShut: boolean
}

/**
 * Changes that may start a job now, those first that give up least: at once, at any hour; less of what a node, what it has to
 * spare beside a reservation, or a limit is short of; a time that ends before what is reserved. They are to be tried.
 */
export function changesWorthTrying(job: QueuedJob, room: Room, now: number): readonly Change[] {
  const isLater = job.notBefore !== undefined && job.notBefore > now
  const isShut = job.offPeak === true && room.isShut
  const free: Change = { ...(isLater ? { atOnce: true } : {}), ...(isShut ? { anyHour: true } : {}) }
  const asks = sizeOfRequest(job.needs)
  const gpuKind = asks.gpus > 0 ? job.needs.gpuKind : undefined
  const changes = new Map<string, Change>()
  const propose = (change: Change): void => {
    if (Object.keys(change).length > 0) changes.set(JSON.stringify(change), change)
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
    const kept = room.kept.get(node)
    if (kept === undefined || kept.reservation.jobId === job.id) continue
    offer(leastOf(node.free, kept.spare))
    // A run time is rounded up by up to a quarter before it is held against a reservation.
    const seconds = Math.floor(((kept.reservation.at - now) / 1000 - submissionSeconds) / 1.25)
    if (seconds >= 60 && seconds < job.limitSeconds) propose({ ...free, limitSeconds: seconds })
  }
  for (const size of offers.values()) {
    const needs = asMuchAs(size, job.needs)
    if (needs !== undefined) propose({ ...free, needs })
  }
  return [...changes.values()].toSorted((a, b) => sacrifice(a, job) - sacrifice(b, job))
}

/** So long it may take until the job is submitted anew. */
const submissionSeconds = 60

/** The same job with no more than this; undefined where that is as much as it asks for, or nothing of something. */
function asMuchAs(size: Size, asks: Needs): Needs | undefined {
  const most = capacityOf(size)
  // What is enough stays as it was asked for; of what is not, whole cores and gigabytes.
  const part = (what: 'cores' | 'memoryGb' | 'gpus'): number =>
    asks[what] === 0 || most[what] >= asks[what] - 1e-3 ? asks[what] : Math.floor(most[what])
  const [cores, memoryGb, gpus] = [part('cores'), part('memoryGb'), part('gpus')]
  const isNothing = cores <= 0 || memoryGb <= 0 || (asks.gpus > 0 && gpus <= 0)
  const isAll = cores === asks.cores && memoryGb === asks.memoryGb && gpus === asks.gpus
  return isNothing || isAll ? undefined : { ...asks, cores, memoryGb, gpus }
}

/** What a change gives up: the parts of all that the job asks for, added up. */
function sacrifice({ needs, limitSeconds }: Change, job: QueuedJob): number {
  const lost = (is: number | undefined, was: number): number => (is === undefined || was === 0 ? 0 : 1 - is / was)
  return (
    lost(needs?.cores, job.needs.cores) +
    lost(needs?.memoryGb, job.needs.memoryGb) +
    lost(needs?.gpus, job.needs.gpus) +
    lost(limitSeconds, job.limitSeconds)
  )
}

/** Whether a change leaves no more of anything than another does. */
export function givesUpMore(change: Change, than: Change, job: QueuedJob): boolean {
  const kept = (one: Change): readonly number[] => {
    const { cores, memoryGb, gpus } = one.needs ?? job.needs
    return [cores, memoryGb, gpus, one.limitSeconds ?? job.limitSeconds]
  }
  const other = kept(than)
  return kept(change).every((amount, i) => amount <= (other[i] ?? 0))
}
