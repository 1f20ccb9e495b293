/**
 * The quantile of the standard normal distribution, for `part` from 0 to 1 (exclusive): right to 5 in 10,000 (Abramowitz and Stegun,
 * Handbook of Mathematical Functions, 26.2.23).
 */
export function normalQuantile(part: number): number {
  if (part < 0.5) return -normalQuantile(1 - part)
  const t = Math.sqrt(-2 * Math.log(1 - part))
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
}

/** The quantile of Student's distribution: right to 1 % from 4 degrees of freedom on (the same book, 26.7.5). */
export function studentQuantile(part: number, freedom: number): number {
  const z = normalQuantile(part)
  const [z3, z5, z7] = [z ** 3, z ** 5, z ** 7]
  return (
    z +
    (z3 + z) / (4 * freedom) +
    (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom ** 3)
  )
}

/** The value below which a part of an ascending list lies, interpolated between two of its values. Zero for an empty list. */
export function percentile(ascending: readonly number[], part: number): number {
  const place = part * (ascending.length - 1)
  const below = ascending[Math.floor(place)] ?? 0
  const above = ascending[Math.ceil(place)] ?? below
  return below + (above - below) * (place - Math.floor(place))
}
