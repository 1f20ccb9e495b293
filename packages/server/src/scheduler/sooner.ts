import type { Why } from '@science-platform/contract'
import type { StoredJob } from '../job/job.ts'
import type { Counterfactual } from './changes.ts'
import { needsOf } from './planned-job.ts'
import { percentile, type Expectation } from './run-histories.ts'
import { duration } from './words.ts'

const gib = 2 ** 30

/**
 * What would start a job now, in words. The planner has tried each; what its past runs needed more than is left out. Pure.
 */
export function soonerOf(
  found: readonly Counterfactual[],
  job: StoredJob,
  expectation: Expectation | undefined,
): Why['sooner'] {
  return found.flatMap(({ change: { needs, limitSeconds, anyHour, atOnce } }) => {
    const tell = (change: Why['sooner'][number]['change'], message: string) => [{ change, startsNow: true, message }]
    if (anyHour) return tell({ when: 'any' }, 'Without --when off-peak it would start now.')
    if (atOnce) return tell({ after: null }, 'Without --after it would start now.')
    if (limitSeconds !== undefined)
      return suitsRuns(limitSeconds, expectation) ? tell(...shorter(limitSeconds, expectation)) : []
    if (needs === undefined) return []
    if (needs.cores < needsOf(job).cores)
      return tell({ cores: needs.cores }, `With ${counted(needs.cores, 'core')} it would start now.`)
    return suitsPeak(needs.memoryGb, expectation) ? tell(...smaller(needs.memoryGb, expectation)) : []
  })
}

const suitsPeak = (memoryGb: number, expectation: Expectation | undefined): boolean =>
  (expectation?.peakBytes ?? 0) <= memoryGb * gib

const suitsRuns = (limitSeconds: number, expectation: Expectation | undefined): boolean =>
  percentile(expectation?.seconds ?? [], 0.9) <= limitSeconds

type Told = [change: Why['sooner'][number]['change'], message: string]

function smaller(memoryGb: number, expectation: Expectation | undefined): Told {
  const peak = expectation?.peakBytes
  const known =
    expectation === undefined || peak === undefined
      ? ''
      : `; its last ${counted(expectation.runs, 'run')} peaked at ${(peak / gib).toFixed(1)} GB`
  return [{ memoryGb }, `With ${memoryGb} GB of memory it would start now${known}.`]
}

function shorter(limitSeconds: number, expectation: Expectation | undefined): Told {
  const known =
    expectation === undefined
      ? ''
      : `; its last ${counted(expectation.runs, 'run')} took at most ${duration(percentile(expectation.seconds, 1))}`
  return [{ timeSeconds: limitSeconds }, `With --time ${timeOption(limitSeconds)} it would start now${known}.`]
}

/** As `--time` takes it. */
const timeOption = (seconds: number): string => (seconds >= 600 ? `${Math.floor(seconds / 60)}m` : `${seconds}s`)

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`
