/** Ids per statement, below the bound-value limit of every database. */
const sizes = [1, 4, 16, 64, 200] as const

export const idsPerStatement = 200

/**
 * The same ids with the last one repeated, so that lists of any length have one of five lengths: each length is a statement of its own,
 * which the driver keeps prepared. Pure.
 */
export function paddedIds(ids: readonly string[]): readonly string[] {
  const size = sizes.find((each) => each >= ids.length) ?? ids.length
  return Array.from({ length: size }, (_, i) => ids[Math.min(i, ids.length - 1)] ?? '')
}
