import type { Capacity } from '../../job/resources.ts'

/**
 * Capacity in whole numbers: their sums are exact, so a planner that adds and subtracts for months has the same as one made from
 * scratch.
 */
export interface Size {
  readonly milliCores: number
  readonly mib: number
  readonly gpus: number
}

/** The size of a request: rounded up. */
export const sizeOfRequest = ({ cores, memoryGb, gpus }: Capacity): Size => ({
  milliCores: Math.ceil(cores * 1000 - rounding),
  mib: Math.ceil(memoryGb * 1024 - rounding),
  gpus,
})

/** The size of a node or a limit: rounded down. */
export const sizeOfOffer = ({ cores, memoryGb, gpus }: Capacity): Size => ({
  milliCores: Math.floor(cores * 1000 + rounding),
  mib: Math.floor(memoryGb * 1024 + rounding),
  gpus: Math.floor(gpus),
})

/** So that 0.29 cores are 290 thousandths, though 0.29 × 1000 is 289.99999999999994. */
const rounding = 1e-6

/** In cores and GiB. */
export const capacityOf = ({ milliCores, mib, gpus }: Size): Capacity => ({
  cores: milliCores / 1000,
  memoryGb: mib / 1024,
  gpus,
})

export const nothing: Size = { milliCores: 0, mib: 0, gpus: 0 }

/** A node that lost GPUs may have fewer than zero free, which stops no job without GPUs. */
export const fits = (asks: Size, free: Size): boolean =>
  asks.milliCores <= free.milliCores && asks.mib <= free.mib && hasGpus(asks, free)

/** Whether there are as many free GPUs as asked for. */
export const hasGpus = (asks: Size, free: Size): boolean => asks.gpus === 0 || asks.gpus <= free.gpus

export const plus = (a: Size, b: Size): Size => ({
  milliCores: a.milliCores + b.milliCores,
  mib: a.mib + b.mib,
  gpus: a.gpus + b.gpus,
})

export const minus = (a: Size, b: Size): Size => ({
  milliCores: a.milliCores - b.milliCores,
  mib: a.mib - b.mib,
  gpus: a.gpus - b.gpus,
})

/**
 * The largest of these sizes: the one with the most cores, and where others have more memory or more GPUs, those too. Empty where
 * all are zero.
 */
export function largestOf(sizes: readonly Size[]): readonly Size[] {
  const found: Size[] = []
  for (const key of ['milliCores', 'mib', 'gpus'] as const) {
    const most = sizes.reduce((a, b) => (compare(a, b, key) < 0 ? b : a), nothing)
    if ([nothing, ...found].every((other) => other[key] < most[key])) found.push(most)
  }
  return found
}

const compare = (a: Size, b: Size, first: keyof Size): number =>
  a[first] - b[first] || a.milliCores - b.milliCores || a.mib - b.mib || a.gpus - b.gpus

/** The lesser of each amount. */
export const leastOf = (a: Size, b: Size): Size => ({
  milliCores: Math.min(a.milliCores, b.milliCores),
  mib: Math.min(a.mib, b.mib),
  gpus: Math.min(a.gpus, b.gpus),
})
