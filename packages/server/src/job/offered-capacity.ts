import type { Capacity } from './resources.ts'

/** What nodes offer: all together, and the most that a single job may have. */
export interface OfferedCapacity extends Capacity {
  readonly largest: Capacity
}

/** The part of a node that counts here. */
interface Offer extends Capacity {
  readonly largestJob?: Capacity
}

/**
 * Sums up nodes. Pure.
 * @param known the most that a job could have before: nodes come and go, and what was once on offer is waited for.
 */
export function offeredCapacity(nodes: readonly Offer[], known?: Capacity): OfferedCapacity {
  const sum = { cores: 0, memoryGb: 0, gpus: 0 }
  const largest = { cores: 0, memoryGb: 0, gpus: 0, ...known }
  for (const node of nodes) {
    const most = node.largestJob ?? node
    for (const key of ['cores', 'memoryGb', 'gpus'] as const) {
      sum[key] += most[key]
      largest[key] = Math.max(largest[key], most[key])
    }
  }
  return { ...sum, largest }
}
