/**
 * Numbers that grow with time, for the order in which things were told to the store: milliseconds times 4096 plus a
 * count, below 2^53 until the year 2039. One sequence a process; two processes agree to within their clocks.
 */
export function sequence(now: () => number = Date.now): () => number {
  let last = 0
  return () => {
    last = Math.max(last + 1, now() * 4096)
    return last
  }
}
