/** A share of the work. Left out: REPLICA_ID and REPLICA_COUNT from the environment, or 1 of 1 without them. */
export interface Share {
  /** From 1 to `total`. */
  readonly replica?: number
  /** Number of shares. */
  readonly total?: number
}

/**
 * Every `total`-th item, from the `replica`-th: replica 1 of 3 has items 0, 3, 6, …
 * A replica below 1 or above `total` has no items, as with the published Python client.
 * Throws RangeError when `total` is below 1, or REPLICA_ID or REPLICA_COUNT is not a whole number.
 */
export function stripe<T>(items: Iterable<T>, share: Share = {}): Iterable<T> {
  const { replica, total } = shareOf(share)
  if (replica < 1) return []
  if (total < 1) throw new RangeError(`total is ${total}; it must be 1 or more`)
  return replica > total ? [] : everyNth(items, replica - 1, total)
}

/**
 * One of `total` contiguous chunks of equal length, as with the published Python client. The last chunk also has the
 * remainder. With fewer items than chunks, the first chunks have one item each.
 * Throws RangeError when `replica` is not between 1 and `total`, or REPLICA_ID or REPLICA_COUNT is not a whole number.
 */
export function chunk<T>(items: Iterable<T>, share: Share = {}): T[] {
  const { replica, total } = shareOf(share)
  if (total < 1) throw new RangeError(`total is ${total}; it must be 1 or more`)
  if (replica < 1 || replica > total) throw new RangeError(`replica is ${replica}; it must be from 1 to ${total}`)
  const all = [...items]
  if (all.length < total) return all.slice(replica - 1, replica)
  const size = Math.floor(all.length / total)
  return all.slice((replica - 1) * size, replica === total ? all.length : replica * size)
}

function* everyNth<T>(items: Iterable<T>, first: number, step: number): Generator<T> {
  let index = 0
  for (const item of items) {
    if (index >= first && (index - first) % step === 0) yield item
    index += 1
  }
}

function shareOf({ replica, total }: Share): { replica: number; total: number } {
  return {
    replica: whole('replica', replica) ?? fromEnvironment('REPLICA_ID'),
    total: whole('total', total) ?? fromEnvironment('REPLICA_COUNT'),
  }
}

function whole(name: string, value: number | undefined): number | undefined {
  if (value !== undefined && !Number.isInteger(value))
    throw new RangeError(`${name} is ${value}; it must be a whole number`)
  return value
}

function fromEnvironment(name: 'REPLICA_ID' | 'REPLICA_COUNT'): number {
  // Browsers have no `process`.
  const text = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.[name] ?? '1'
  if (!/^\s*[+-]?\d+\s*$/.test(text)) throw new RangeError(`${name} is '${text}'; it must be a whole number`)
  return Number(text)
}
