import type { Machine } from '../machine.ts'
import { digits, table } from '../table.ts'

/** Rates and latencies on a cluster with one real node. */
export interface RateFigures {
  /** Jobs of `true` in a batch, one batch per round. */
  readonly jobs: number
  /** Median rates of bare Jobs and of the platform, in jobs per second. */
  readonly barePerSecond: number
  readonly perSecond: number
  /** Median over the rounds of the platform's rate divided by the bare rate. */
  readonly ratio: number
  /** Milliseconds from a request until its Job exists: bare, and through the platform. */
  readonly bareMadeMs: number
  readonly madeMs: number
  /** Milliseconds that a pod waits for the platform to remove its scheduling gate. */
  readonly gatedMs: number
  /** Milliseconds from a request until its container runs: bare, and through the platform. */
  readonly bareRunningMs: number
  readonly runningMs: number
  /** Milliseconds from the start of a container until the platform reports it. */
  readonly toldMs: number
}

/** Ten thousand pods on simulated nodes. */
export interface ScaleFigures {
  readonly nodes: number
  readonly pods: number
  readonly succeeded: number
  /** Seconds from the first submission to the last end. */
  readonly seconds: number
  /** Seconds from then until the cluster had no object of the platform. */
  readonly cleanUpSeconds: number
  readonly serverPeakMb: number
  readonly listingsPerTenSeconds: number
}

/** The results of a run. */
export interface Results {
  readonly at: string
  readonly machine: Machine
  readonly load: { readonly before: number; readonly after: number }
  readonly rate: RateFigures
  readonly scale: ScaleFigures | undefined
}

/** The results as text of at most 80 columns, compared with the targets of the project. */
export function report({ at, machine, load, rate, scale }: Results): string {
  const share = rate.madeMs - rate.bareMadeMs + rate.gatedMs
  const verdict = (reached: boolean): string => (reached ? 'reached' : 'MISSED')
  const aims: (readonly [string, string, string, boolean])[] = [
    ['jobs/s, part of bare Jobs', digits(rate.ratio, 2), 'at least 0.9', rate.ratio >= 0.9],
    ['own share from submission to running', `${digits(share, 0)} ms`, 'under 50 ms', share < 50],
    ...(scale === undefined
      ? []
      : ([
          ['pods not missed', `${scale.succeeded} of ${scale.pods}`, 'all', scale.succeeded === scale.pods],
          ['memory of the server', `${digits(scale.serverPeakMb, 0)} MB`, 'under 300 MB', scale.serverPeakMb < 300],
          [
            'listings in ten seconds',
            digits(scale.listingsPerTenSeconds, 2),
            'at most 1',
            scale.listingsPerTenSeconds <= 1,
          ],
        ] as const)),
  ]
  return [
    `${machine.system}, Linux ${machine.kernel}, ${machine.cores} cores (${machine.processor}),`,
    `${machine.memoryGb} GiB, Node ${machine.node}, load ${digits(load.before, 1)} before and ${digits(load.after, 1)} after;`,
    `${at}. Kubernetes 1.34 with one node, on the same machine.`,
    '',
    `${rate.jobs} jobs of \`true\` submitted at once, in turns, until the last is reported as ended:`,
    table([
      ['', 'jobs/s'],
      ['bare Jobs, through the same client', digits(rate.barePerSecond, 2)],
      ['science-platform', digits(rate.perSecond, 2)],
    ]),
    '',
    'One job at a time; gate: from pod to removed gate; told: from running to the',
    'report of the platform. The own share is the delay of the Job and the gate.',
    table([
      ['from request to', 'Job', 'running', 'gate', 'told'],
      ['bare Jobs, same client', `${digits(rate.bareMadeMs, 0)} ms`, `${digits(rate.bareRunningMs, 0)} ms`, '', ''],
      [
        'science-platform',
        ...[rate.madeMs, rate.runningMs, rate.gatedMs, rate.toldMs].map((ms) => `${digits(ms, 0)} ms`),
      ],
    ]),
    ...(scale === undefined
      ? []
      : [
          '',
          `${scale.pods} jobs on ${scale.nodes} simulated nodes (kwok): ${scale.succeeded} succeeded within ${digits(scale.seconds, 0)} s,`,
          `and ${digits(scale.cleanUpSeconds, 0)} s later the cluster had none of their objects.`,
        ]),
    '',
    'Figures to reach:',
    table(aims.map(([what, value, aim, reached]) => [what, value, aim, verdict(reached)])),
  ].join('\n')
}
