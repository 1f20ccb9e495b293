import type { Contender } from './contender.ts'
import { median } from './statistics.ts'

/** What one contender did, a value for each round. */
export interface Series {
  readonly name: string
  readonly description: string
  readonly values: readonly number[]
  readonly median: number
}

/**
 * Measures every contender once, then every one again, and so on: A B C A B C. A machine that is slow for a while is
 * then slow for all of them, and the medians can be compared.
 */
export async function interleave(
  contenders: readonly Contender[],
  rounds: number,
  measure: (contender: Contender) => Promise<number>,
): Promise<Series[]> {
  const values = new Map(contenders.map((contender) => [contender, [] as number[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const [contender, series] of values) series.push(await measure(contender))
  }
  return [...values].map(([{ name, description }, series]) => ({
    name,
    description,
    values: series,
    median: median(series),
  }))
}

/** Jobs per second of `count` jobs of `true`. */
export async function jobsPerSecond(contender: Contender, count: number): Promise<number> {
  const startedAt = performance.now()
  await contender.runTrue(count)
  return (count * 1000) / (performance.now() - startedAt)
}
