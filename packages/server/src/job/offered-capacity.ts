import type { Capacity } from './resources.ts'

/** Capacity of all nodes, and the most that a single job can have. */
export interface OfferedCapacity extends Capacity {
  readonly largest: Capacity
}

/** The capacity of one node. */
interface Offer extends Capacity {
  readonly largestJob?: Capacity
}

/**
 * The sum and the largest of nodes. Pure.
 * @param known the largest so far: it counts while its node is unavailable, because jobs may wait for that node.
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
