import type { Why } from '@science-platform/contract'
import type { StoredJob } from '../../job/job.ts'
import type { Counterfactual, Modification } from './counterfactuals.ts'
import { needsOf } from '../cache/planned-job.ts'
import { percentile } from '../../lib/quantiles.ts'
import type { Expectation } from '../cache/run-histories.ts'
import type { Needs } from '../cache/snapshot.ts'
import { duration } from './reason-text.ts'

const gib = 2 ** 30

/** Whether a modification leaves a job what its past runs needed: their peak of memory, and the time of nine in ten. Pure. */
export const suitsRuns = ({ needs, limitSeconds }: Modification, expectation: Expectation | undefined): boolean =>
  (needs === undefined || (expectation?.peakBytes ?? 0) <= needs.memoryGb * gib) &&
  (limitSeconds === undefined || percentile(expectation?.seconds ?? [], 0.9) <= limitSeconds)

/** What would start a job now if it were submitted again, in sentences. The planner has tried each. Pure. */
export const adviceOf = (
  found: readonly Counterfactual[],
  job: StoredJob,
  expectation: Expectation | undefined,
): Why['sooner'] => found.map(({ modification }) => adviceText(modification, needsOf(job), expectation))

function adviceText(
  { needs, limitSeconds, anyHour, atOnce }: Modification,
  asks: Needs,
  expectation: Expectation | undefined,
): Why['sooner'][number] {
  const cores = needs !== undefined && needs.cores < asks.cores ? needs.cores : undefined
  const memoryGb = needs !== undefined && needs.memoryGb < asks.memoryGb ? needs.memoryGb : undefined
  const gpus = needs !== undefined && needs.gpus < asks.gpus ? needs.gpus : undefined
  const without = [...(atOnce ? ['--after'] : []), ...(anyHour ? ['--when off-peak'] : [])]
  const less = [
    ...(cores === undefined ? [] : [counted(cores, 'core')]),
    ...(memoryGb === undefined ? [] : [`${memoryGb} GiB of memory`]),
    ...(gpus === undefined ? [] : [counted(gpus, 'GPU')]),
    ...(limitSeconds === undefined ? [] : [`--time ${timeOption(limitSeconds)}`]),
  ]
  const parts = [
    ...(without.length === 0 ? [] : [`without ${listed(without)}`]),
    ...(less.length === 0 ? [] : [`with ${listed(less)}`]),
  ].join(' and ')
  const peak = memoryGb === undefined ? undefined : expectation?.peakBytes
  const known = [
    ...(peak === undefined ? [] : [`peaked at ${(peak / gib).toFixed(1)} GiB`]),
    ...(limitSeconds === undefined || expectation === undefined
      ? []
      : [`took at most ${duration(percentile(expectation.seconds, 1))}`]),
  ]
  const runs =
    expectation === undefined || known.length === 0
      ? ''
      : `; its last ${counted(expectation.runs, 'run')} ${known.join(' and ')}`
  return {
    change: {
      ...(cores === undefined ? {} : { cores }),
      ...(memoryGb === undefined ? {} : { memoryGb }),
      ...(gpus === undefined ? {} : { gpus }),
      ...(limitSeconds === undefined ? {} : { timeSeconds: limitSeconds }),
      ...(anyHour ? { when: 'any' } : {}),
      ...(atOnce ? { after: null } : {}),
    },
    startsNow: true,
    message: `${parts.charAt(0).toUpperCase()}${parts.slice(1)} it would start now${runs}.`,
  }
}

/** As `--time` takes it. */
const timeOption = (seconds: number): string => (seconds >= 600 ? `${Math.floor(seconds / 60)}m` : `${seconds}s`)

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

/** `a`, `a and b`, `a, b and c`. */
const listed = (parts: readonly string[]): string =>
  parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1) ?? ''}`
