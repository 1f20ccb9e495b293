import type { Contender } from './contender.ts'
import type { ProcessorTime } from './processor.ts'
import { median } from './statistics.ts'

/** The results of one contender, a value for each round. */
export interface Series {
  readonly name: string
  readonly description: string
  readonly values: readonly number[]
  readonly median: number
}

/** A rate, with the processor time that each job took. */
export interface RateSeries extends Series {
  /** Medians, in milliseconds a job; absent where the contender cannot say. */
  readonly processor?: ProcessorTime
}

/**
 * Measures the contenders in turns: A B C A B C. A machine that is slow for a while is then slow for all of them, and their medians are
 * comparable.
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

/** Measures rounds of `count` jobs of `true`: jobs per second, and processor time a job. */
export async function measureRates(
  contenders: readonly Contender[],
  rounds: number,
  count: number,
): Promise<RateSeries[]> {
  const processor = new Map<string, ProcessorTime[]>()
  const series = await interleave(contenders, rounds, async (contender) => {
    const before = contender.processor?.()
    const startedAt = performance.now()
    await contender.runTrue(count)
    const seconds = (performance.now() - startedAt) / 1000
    const after = contender.processor?.()
    if (before !== undefined && after !== undefined) {
      const perJob = {
        serverMs: (after.serverMs - before.serverMs) / count,
        restMs: (after.restMs - before.restMs) / count,
      }
      processor.set(contender.name, [...(processor.get(contender.name) ?? []), perJob])
    }
    return count / seconds
  })
  return series.map((each) => {
    const times = processor.get(each.name)
    if (times === undefined) return each
    const medianOf = (key: keyof ProcessorTime): number => median(times.map((time) => time[key]))
    return { ...each, processor: { serverMs: medianOf('serverMs'), restMs: medianOf('restMs') } }
  })
}
