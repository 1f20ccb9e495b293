import type { ActiveJob, PlanNode } from './snapshot.ts'
import { fits, minus, plus, sizeOfOffer, sizeOfRequest, type Size } from '../rules/size.ts'
import { countBefore } from '../../lib/sorted.ts'

/** A job that holds capacity, and when it is thought to end. */
export class Holding {
  readonly job: ActiveJob
  readonly size: Size
  /** As of the last time its node was looked at. */
  end = 0

  constructor(job: ActiveJob, size = sizeOfRequest(job.needs)) {
    this.job = job
    this.size = size
  }
}

/**
 * When a job is expected to end: after its estimate. Past that, after twice its estimate, four times, and so on up to its
 * limit; past its limit it is being ended: after one more minute, two, four.
 */
export function expectedEnd({ placedAt, estimateSeconds, limitSeconds }: ActiveJob, now: number): number {
  let seconds = Math.max(1, Math.min(estimateSeconds, limitSeconds))
  while (placedAt + seconds * 1000 <= now && seconds < limitSeconds) seconds = Math.min(2 * seconds, limitSeconds)
  let minutes = 0
  while (placedAt + seconds * 1000 + minutes * 60_000 <= now) minutes = Math.max(1, 2 * minutes)
  return placedAt + seconds * 1000 + minutes * 60_000
}

/** A node, what of it is free, and who holds the rest. */
export class NodeState {
  readonly name: string
  readonly gpuKind: string
  readonly node: PlanNode
  readonly total: Size
  free: Size
  /** Who holds the rest, by expected end as of `#asOf`. */
  #holdings: Holding[] = []
  #asOf = -Infinity

  constructor(node: PlanNode) {
    this.node = node
    this.name = node.name
    this.gpuKind = node.gpus > 0 ? (node.gpuKind ?? '') : ''
    this.total = sizeOfOffer(node)
    this.free = this.total
  }

  take(holding: Holding): void {
    this.free = minus(this.free, holding.size)
    this.#insert(holding)
  }

  giveBack(holding: Holding): void {
    const place = countBefore(this.#holdings, ({ end }) => end < holding.end)
    const index = this.#holdings.indexOf(holding, place)
    if (index === -1) return
    this.#holdings.splice(index, 1)
    this.free = plus(this.free, holding.size)
  }

  /** Who holds something, by expected end as of now. */
  holdings(now: number): readonly Holding[] {
    const isBack = now < this.#asOf
    this.#asOf = now
    if (isBack) {
      const all = this.#holdings
      this.#holdings = []
      for (const holding of all) this.#insert(holding)
    }
    for (let first = this.#holdings[0]; first !== undefined && first.end <= now; first = this.#holdings[0]) {
      this.#holdings.shift()
      this.#insert(first)
    }
    return this.#holdings
  }

  #insert(holding: Holding): void {
    holding.end = expectedEnd(holding.job, this.#asOf)
    this.#holdings.splice(
      countBefore(this.#holdings, ({ end }) => end <= holding.end),
      0,
      holding,
    )
  }
}

/** Whether a node could hold a job, were it empty. */
export const isAble = (
  { total, gpuKind }: NodeState,
  asks: { readonly size: Size; readonly gpuKind: string | undefined },
): boolean => fits(asks.size, total) && (asks.gpuKind === undefined || asks.gpuKind === gpuKind)
