/** The outcome of one item. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }

/** Runs `work` for all items, at most `limit` at a time, and returns the outcomes in the order of the items. Never rejects. */
export async function concurrently<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<Outcome<R>[]> {
  const outcomes = new Array<Outcome<R>>(items.length)
  const queue = items.entries()
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) {
      try {
        outcomes[index] = { ok: true, value: await work(item, index) }
      } catch (error) {
        outcomes[index] = { ok: false, error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  return outcomes
}
