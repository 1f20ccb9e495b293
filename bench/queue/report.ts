import type { Machine } from '../machine.ts'
import { digits, table } from '../table.ts'
import type { Treatment } from './compare.ts'
import type { Estimates } from './estimates.ts'
import type { Scale } from './scale.ts'

/** What a run found; the JSON it writes. */
export interface Results {
  readonly at: string
  readonly machine: Machine
  readonly million: Scale
  readonly hundredThousand: Scale
  readonly comparisons: readonly {
    readonly trace: string
    readonly jobs: number
    readonly boundHours: number
    readonly queues: readonly Treatment[]
  }[]
  readonly estimates: Estimates
}

/** The results as text of at most 80 columns, with the figures that the project means to reach. */
export function report(results: Results): string {
  const { at, machine, million, hundredThousand, comparisons, estimates } = results
  const lines = [
    `${machine.system}, Linux ${machine.kernel}, ${machine.cores} cores (${machine.processor}),`,
    `${machine.memoryGb} GB, Node ${machine.node}; ${at}`,
  ]
  for (const { trace, jobs, queues, boundHours } of comparisons) {
    lines.push('', `${trace}, ${jobs} jobs:`, table(treatments(queues)))
    lines.push(`  The policy's bound on the last column is ${digits(boundHours, 0)} h.`)
  }
  lines.push(
    '',
    `Expected starts, asked of ${estimates.asked} jobs that had to wait: ${percent(estimates.within)} began within`,
    `the 10 to 90 % band, ${percent(estimates.before)} earlier, ${percent(estimates.after)} later; the median band ends`,
    `${digits(estimates.width, 1)} times as far off as it begins.`,
    '',
    'Figures to reach (time on the processor):',
    table(
      aims(million, hundredThousand, results).map(([what, is, aim, reached]) => [
        what,
        is,
        aim,
        reached ? 'reached' : 'MISSED',
      ]),
    ),
  )
  return lines.join('\n')
}

function treatments(queues: readonly Treatment[]): string[][] {
  const number = (value: number | undefined): string => (value === undefined ? '-' : digits(value, 1))
  return [
    ['', 'used', 'all', 'small', 'normal', 'large', 'wait', 'small', 'large', 'turn'],
    ...queues.map(({ queue, utilisation, slowdown, meanWaitHours, worstWaitHours, worstTurnHours }) => [
      queue,
      percent(utilisation),
      ...[slowdown.all, slowdown.small, slowdown.normal, slowdown.large].map(number),
      ...[meanWaitHours, worstWaitHours.small, worstWaitHours.large, worstTurnHours].map(number),
    ]),
  ]
}

function aims(
  million: Scale,
  hundredThousand: Scale,
  { comparisons, estimates }: Results,
): [string, string, string, boolean][] {
  const ms = (value: number): string => `${digits(value, 1)} ms`
  const [, easy, ours] = comparisons[0]?.queues ?? []
  if (easy === undefined || ours === undefined) throw new Error('there is nothing to compare with')
  const many = million.queued.toLocaleString('en')
  return [
    [`cycle after an event, ${many} queued`, ms(million.cycleMs.median), 'under 5 ms', million.cycleMs.median < 5],
    ['  the slowest of a hundred', ms(million.cycleMs.p99), '', million.cycleMs.p99 < 5],
    ['full rebuild', `${digits(million.rebuildMs / 1000, 1)} s`, 'under 5 s', million.rebuildMs < 5000],
    ['memory for a queued job', `${digits(million.bytesPerJob, 0)} B`, 'under 1024 B', million.bytesPerJob < 1024],
    ['placements/s', digits(million.placementsPerSecond, 0), 'at least 10000', million.placementsPerSecond >= 10_000],
    ['why, 100,000 waiting, p99', ms(hundredThousand.whyMs.p99), 'under 50 ms', hundredThousand.whyMs.p99 < 50],
    [
      'expected start, 100,000 waiting, p99',
      ms(hundredThousand.expectedStartMs.p99),
      'under 200 ms',
      hundredThousand.expectedStartMs.p99 < 200,
    ],
    [
      'cores used, compared with EASY',
      `${digits((ours.utilisation - easy.utilisation) * 100, 1)} points`,
      'no worse',
      ours.utilisation >= easy.utilisation - 0.0005,
    ],
    [
      'slowdown of small jobs, of EASY’s',
      percent((ours.slowdown.small ?? NaN) / (easy.slowdown.small ?? NaN)),
      'under 100 %',
      (ours.slowdown.small ?? Infinity) < (easy.slowdown.small ?? 0),
    ],
    [
      'longest turn of a large job',
      `${digits(ours.worstTurnHours, 0)} h`,
      `at most ${digits(comparisons[0]?.boundHours ?? 0, 0)} h`,
      ours.worstTurnHours <= (comparisons[0]?.boundHours ?? 0),
    ],
    [
      'starts within the 10 to 90 % band',
      percent(estimates.within),
      '75 to 85 %',
      Math.abs(estimates.within - 0.8) <= 0.05,
    ],
  ]
}

const percent = (part: number): string => `${digits(part * 100, 1)} %`
