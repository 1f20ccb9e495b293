import { isAble, type NodeState } from './node-state.ts'
import type { KeptNode } from './reservations.ts'
import { capacityOf, sizeOfRequest } from './size.ts'
import type { Needs, QueuedJob } from './snapshot.ts'

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

/** The job with the change. */
export function changed(job: QueuedJob, { needs, limitSeconds, anyHour, atOnce }: Change): QueuedJob {
  const { offPeak, notBefore, ...rest } = job
  const seconds = limitSeconds ?? job.limitSeconds
  return {
    ...rest,
    ...(offPeak === undefined || anyHour ? {} : { offPeak }),
    ...(notBefore === undefined || atOnce ? {} : { notBefore }),
    needs: needs ?? job.needs,
    limitSeconds: seconds,
    estimateSeconds: Math.min(job.estimateSeconds, seconds),
  }
}

/**
 * The least changes that may start a job now, one of each kind: as much memory as a node with its cores has free, as many
 * cores as one with its memory has, a time that ends before what is reserved, any hour, at once. They are to be tried.
 */
export function changesWorthTrying(
  job: QueuedJob,
  nodes: Iterable<NodeState>,
  kept: ReadonlyMap<NodeState, KeptNode>,
  now: number,
): readonly Change[] {
  const { needs } = job
  const asks = { size: sizeOfRequest(needs), gpuKind: needs.gpus > 0 ? needs.gpuKind : undefined }
  let memoryGb = 0
  let cores = 0
  let seconds = 0
  for (const node of nodes) {
    if (!isAble(node, asks) || node.free.gpus < asks.size.gpus) continue
    const free = capacityOf(node.free)
    const hasCores = node.free.milliCores >= asks.size.milliCores
    const hasMemory = node.free.mib >= asks.size.mib
    if (hasCores) memoryGb = Math.max(memoryGb, Math.floor(free.memoryGb))
    if (hasMemory) cores = Math.max(cores, Math.floor(free.cores))
    const reserved = kept.get(node)?.reservation
    if (hasCores && hasMemory && reserved !== undefined) seconds = Math.max(seconds, (reserved.at - now) / 1000)
  }
  // A run time is rounded up by up to a quarter before it is held against a reservation.
  const limitSeconds = Math.floor(seconds / 1.25)
  return [
    ...(job.notBefore !== undefined && job.notBefore > now ? [{ atOnce: true } as const] : []),
    ...(job.offPeak === true ? [{ anyHour: true } as const] : []),
    ...(memoryGb >= 1 && memoryGb < needs.memoryGb ? [{ needs: { ...needs, memoryGb } }] : []),
    ...(cores >= 1 && cores < needs.cores ? [{ needs: { ...needs, cores } }] : []),
    ...(limitSeconds >= 60 && limitSeconds < job.limitSeconds ? [{ limitSeconds }] : []),
  ]
}
