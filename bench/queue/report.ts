import type { Machine } from '../machine.ts'
import { digits, table } from '../table.ts'
import type { Treatment } from './compare.ts'
import type { Estimates } from './estimates.ts'
import type { ForecastScale, Scale } from './scale.ts'

/** The comparison of the queues for a trace. */
export interface Comparison {
  readonly trace: string
  readonly jobs: number
  readonly boundHours: number
  /** First come, first served; EASY; the platform's queue. */
  readonly queues: readonly Treatment[]
  readonly estimates: Estimates
}

/** The results of a run, which are written as JSON. */
export interface Results {
  readonly at: string
  readonly machine: Machine
  /** Load average of one minute. */
  readonly load: { readonly before: number; readonly after: number }
  readonly million: Scale
  readonly hundredThousand: Scale
  readonly forecasts: readonly ForecastScale[]
  readonly comparisons: readonly Comparison[]
}

/** The results as text of at most 80 columns, compared with the targets of the project. */
export function report({ at, machine, load, million, hundredThousand, forecasts, comparisons }: Results): string {
  return [
    `${machine.system}, Linux ${machine.kernel}, ${machine.cores} cores (${machine.processor}),`,
    `${machine.memoryGb} GiB, Node ${machine.node}, load ${digits(load.before, 1)} before and ${digits(load.after, 1)} after;`,
    at,
    ...comparisons.flatMap(({ trace, jobs, queues, estimates }) => [
      '',
      `${trace}, ${jobs} jobs:`,
      table(treatments(queues)),
      `  Of ${estimates.asked} expected starts ${percent(estimates.within)} came within the 10 to 90 % band, ${percent(estimates.before)} earlier,`,
      `  ${percent(estimates.after)} later; the median band ends ${digits(estimates.width, 1)} times as far off as it begins.`,
    ]),
    '',
    '  used: part of the cores that worked, from the first submission to the last.',
    '  all, small, normal, large: mean bounded slowdown. wait: mean, in hours.',
    '  worst: longest wait of a small and of a large job. turn: longest that a large',
    '  job waited as the first of its user’s alike jobs.',
    '',
    'Figures to reach (milliseconds are of this process, without the time that',
    'others had the processor):',
    table([
      ...scaleAims(million, hundredThousand, forecasts),
      ...comparisons.flatMap((comparison) => [[''], [`${comparison.trace}:`], ...traceAims(comparison)]),
    ]),
  ].join('\n')
}

function treatments(queues: readonly Treatment[]): string[][] {
  const number = (value: number | undefined): string => (value === undefined ? '-' : digits(value, 1))
  return [
    ['', 'used', 'all', 'small', 'normal', 'large', 'wait', 'worst small', 'large', 'turn'],
    ...queues.map(({ queue, utilisation, slowdown, meanWaitHours, worstWaitHours, worstTurnHours }) => [
      queue,
      percent(utilisation),
      ...[slowdown.all, slowdown.small, slowdown.normal, slowdown.large].map(number),
      ...[meanWaitHours, worstWaitHours.small, worstWaitHours.large, worstTurnHours].map(number),
    ]),
  ]
}

const aim = (what: string, is: string, wanted: string, isReached: boolean): string[] => [
  `  ${what}`,
  is,
  wanted,
  isReached ? 'reached' : 'NOT reached',
]

function scaleAims(million: Scale, hundredThousand: Scale, forecasts: readonly ForecastScale[]): string[][] {
  const most = (what: string, ms: number, limit: number): string[] =>
    aim(what, `${digits(ms, 1)} ms`, `under ${limit} ms`, ms < limit)
  const { cycleMs, rebuildMs, bytesPerJob, placementsPerSecond } = million
  const { whyMs } = hundredThousand
  return [
    [`${million.queued.toLocaleString('en')} queued, 10,000 nodes, 1,000 users:`],
    most('cycle after one event, median', cycleMs.median, 5),
    most('all but one in a hundred', cycleMs.p99, 5),
    aim('full rebuild', `${digits(rebuildMs / 1000, 1)} s`, 'under 5 s', rebuildMs < 5000),
    aim('memory for a queued job', `${digits(bytesPerJob, 0)} B`, 'under 1024 B', bytesPerJob < 1024),
    aim('placements/s', digits(placementsPerSecond, 0), 'at least 10000', placementsPerSecond >= 10_000),
    [''],
    [`${hundredThousand.queued.toLocaleString('en')} queued:`],
    most('why, the slowest of a hundred', whyMs.slowest, 50),
    ...forecasts.map(({ nodes, ms }) =>
      most(`expected start, likewise, ${nodes.toLocaleString('en')} nodes`, ms.slowest, 200),
    ),
  ]
}

function traceAims({ queues, boundHours, estimates }: Comparison): string[][] {
  const [, easy, ours] = queues
  if (easy === undefined || ours === undefined) throw new Error('the results of the other queues are missing')
  const slower = (ours.slowdown.small ?? Number.NaN) / (easy.slowdown.small ?? Number.NaN)
  return [
    aim(
      'cores used, compared with EASY',
      `${digits((ours.utilisation - easy.utilisation) * 100, 1)} points`,
      'no worse',
      ours.utilisation >= easy.utilisation - 0.0005,
    ),
    aim('slowdown of small jobs, of EASY’s', percent(slower), 'under 100 %', slower < 1),
    aim(
      'longest turn of a large job',
      `${digits(ours.worstTurnHours, 0)} h`,
      `at most ${digits(boundHours, 0)} h`,
      ours.worstTurnHours <= boundHours,
    ),
    aim('starts within the band', percent(estimates.within), '75 to 85 %', Math.abs(estimates.within - 0.8) <= 0.05),
  ]
}

const percent = (part: number): string => `${digits(part * 100, 1)} %`
