import { estimatedPart } from './expected-run-time.ts'
import type { ActiveJob, PlanNode } from './snapshot.ts'
import { fits, minus, plus, sizeOfOffer, sizeOfRequest, type Size } from '../rules/size.ts'
import { countBefore } from '../../lib/sorted.ts'

/** The capacity that an active job has, and when it is expected to be free. */
export class Allocation {
  readonly job: ActiveJob
  readonly size: Size
  /** As of the last time that its node was read. */
  end = 0

  constructor(job: ActiveJob, size = sizeOfRequest(job.needs)) {
    this.job = job
    this.size = size
  }
}

/**
 * When a job is expected to end: after its estimate. Past that, when three in four of the known runs that took longer had ended; past
 * all of them, after twice as long, four times, and so on up to its limit; past its limit it is being ended: after one more minute,
 * two, four.
 */
export function expectedEnd(job: ActiveJob, now: number): number {
  const { placedAt, estimateSeconds, limitSeconds } = job
  let seconds = Math.max(1, Math.min(estimateSeconds, limitSeconds))
  if (placedAt + seconds * 1000 <= now) {
    const runs = job.history ?? job.prior ?? []
    const elapsed = (now - placedAt) / 1000
    const longer = countBefore(runs, (run) => run <= elapsed)
    const place = Math.floor(longer + estimatedPart * (runs.length - 1 - longer))
    seconds = Math.min(limitSeconds, Math.max(seconds, runs[place] ?? 0))
  }
  while (placedAt + seconds * 1000 <= now && seconds < limitSeconds) seconds = Math.min(2 * seconds, limitSeconds)
  let minutes = 0
  while (placedAt + seconds * 1000 + minutes * 60_000 <= now) minutes = Math.max(1, 2 * minutes)
  return placedAt + seconds * 1000 + minutes * 60_000
}

/** A node, its free capacity, and its allocations. */
export class NodeState {
  readonly name: string
  readonly gpuKind: string
  readonly node: PlanNode
  readonly total: Size
  free: Size
  /** By expected end as of `#asOf`. */
  #allocations: Allocation[] = []
  #asOf = -Infinity

  constructor(node: PlanNode) {
    this.node = node
    this.name = node.name
    this.gpuKind = node.gpus > 0 ? (node.gpuKind ?? '') : ''
    this.total = sizeOfOffer(node)
    this.free = this.total
  }

  allocate(allocation: Allocation): void {
    this.free = minus(this.free, allocation.size)
    this.#insert(allocation)
  }

  release(allocation: Allocation): void {
    const place = countBefore(this.#allocations, ({ end }) => end < allocation.end)
    const index = this.#allocations.indexOf(allocation, place)
    if (index === -1) return
    this.#allocations.splice(index, 1)
    this.free = plus(this.free, allocation.size)
  }

  /** By expected end as of now. */
  allocations(now: number): readonly Allocation[] {
    const clockStepsBack = now < this.#asOf
    this.#asOf = now
    if (clockStepsBack) {
      const all = this.#allocations
      this.#allocations = []
      for (const allocation of all) this.#insert(allocation)
    }
    for (let first = this.#allocations[0]; first !== undefined && first.end <= now; first = this.#allocations[0]) {
      this.#allocations.shift()
      this.#insert(first)
    }
    return this.#allocations
  }

  #insert(allocation: Allocation): void {
    allocation.end = expectedEnd(allocation.job, this.#asOf)
    this.#allocations.splice(
      countBefore(this.#allocations, ({ end }) => end <= allocation.end),
      0,
      allocation,
    )
  }
}

/** Whether a node could hold a job, were it empty. */
export const isAble = (
  { total, gpuKind }: NodeState,
  asks: { readonly size: Size; readonly gpuKind: string | undefined },
): boolean => fits(asks.size, total) && (asks.gpuKind === undefined || asks.gpuKind === gpuKind)
