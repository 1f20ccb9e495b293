/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  if (upper === undefined || lower === undefined) throw new Error('the median of no values')
  return (lower + upper) / 2
}

/** The value below which the given part (0 to 1) of the values lies: the nearest rank. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))]
  if (value === undefined) throw new Error('a percentile of no values')
  return value
}

/** The slope of the line through points (x, y) with the least squares. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (of: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [x, y] = [mean(([each]) => each), mean(([, each]) => each)]
  const over = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  if (!(over > 0)) throw new Error('the slope of fewer than two different places')
  return points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / over
}
