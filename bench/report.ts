import type { ListingFigures } from './listing.ts'
import type { Machine } from './machine.ts'
import type { PublishedClientFigures } from './published-client.ts'
import type { RateSeries, Series } from './rounds.ts'
import type { SubmissionFigures } from './submissions.ts'
import { digits, table } from './table.ts'

/** The results about jobs. */
export interface JobResults {
  readonly at: string
  readonly quick: boolean
  readonly sizes: Readonly<Record<string, number>>
  readonly machine: Machine
  /** Load average of one minute before and after the run (uptime(1)). */
  readonly load: { readonly before: number; readonly after: number }
  /** Milliseconds from the request to the first instruction. */
  readonly latency: readonly Series[]
  /** Jobs of `true` per second. */
  readonly rate: readonly RateSeries[]
  readonly memory: {
    /** Memory of an idle server after its start. */
    readonly idleMb: number
    /** Peak memory while jobs run. */
    readonly loadedMb: number
  }
}

/** The results of a complete run, which are written as JSON. */
export interface Results extends JobResults {
  readonly listing: readonly ListingFigures[]
  readonly submissions: SubmissionFigures & { readonly connections: number }
  readonly publishedClient: readonly PublishedClientFigures[]
  /** Peak memory of a second server, which has 100,000 ended jobs and accepts the submissions. */
  readonly submittedMb: number
}

const ours = 'science-platform'
const floor = 'runc loop'

type Aim = readonly [what: string, value: string, aim: string, reached: boolean]

const of = (series: readonly Series[], name: string): number => series.find((each) => each.name === name)?.median ?? NaN

/** The part about jobs, as text of at most 80 columns. */
export function reportJobs(results: JobResults): string {
  const { machine, load, latency, rate, memory } = results
  return [
    `${machine.system}, Linux ${machine.kernel}, ${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GiB,`,
    `cgroups ${machine.cgroups}, Node ${machine.node}, runc ${machine.runc}; ${results.at}${results.quick ? ' (quick)' : ''};`,
    `load ${digits(load.before, 1)} before and ${digits(load.after, 1)} after`,
    '',
    'Medians of interleaved rounds:',
    table([
      ['', 'jobs/s', 'from', 'to', 'first instruction', 'from', 'to'],
      ...rate.map(({ name, median, values }) => {
        const first = latency.find((each) => each.name === name)
        return [
          name,
          digits(median, 1),
          digits(Math.min(...values), 1),
          digits(Math.max(...values), 1),
          `${digits(first?.median ?? NaN, 0)} ms`,
          digits(Math.min(...(first?.values ?? [])), 0),
          digits(Math.max(...(first?.values ?? [])), 0),
        ]
      }),
    ]),
    '',
    'Processor time a job of `true`, without work of the kernel that it attributes to no process:',
    table([
      ['', 'server’s JavaScript', 'supervisor, runtime, job', 'together'],
      ...rate.flatMap(({ name, processor }) => {
        if (processor === undefined) return []
        const { serverMs, restMs } = processor
        return [[name, ...[serverMs, restMs, serverMs + restMs].map((ms) => `${digits(ms, 1)} ms`)]]
      }),
    ]),
    '',
    ...rate.map(({ name, description }) => `  ${name}: ${description}`),
    '',
    `Memory: ${digits(memory.idleMb, 0)} MB idle, ${digits(memory.loadedMb, 0)} MB at most under jobs.`,
    '',
    'Figures to reach:',
    aimsTable(jobAims(results)),
  ].join('\n')
}

/** The results as text of at most 80 columns, compared with the targets of the project. */
export function report(results: Results): string {
  const { listing, submissions, publishedClient, submittedMb } = results
  const slowestList = Math.max(...listing.map((each) => each.median))
  const aims: Aim[] = [
    [
      `submissions/s, ${submissions.connections} connections`,
      digits(submissions.perSecond, 0),
      'at least 1500',
      submissions.perSecond >= 1500,
    ],
    [
      '1,000 replicas in one request',
      `${digits(submissions.thousandReplicasSeconds, 2)} s`,
      'under 0.3 s',
      submissions.thousandReplicasSeconds < 0.3,
    ],
    ['list of 50 among 100,000 ended jobs', `${digits(slowestList, 1)} ms`, 'under 20 ms', slowestList < 20],
    // Compared with bare requests from Python, because the server cannot reduce the client's own time.
    ...publishedClient.map(({ name, client, library }): Aim => [
      `256 replicas by ${name} ÷ 256 bare POSTs`,
      digits(client / library, 2),
      'at most 1.5',
      client / library <= 1.5,
    ]),
  ]

  return [
    reportJobs(results),
    '',
    'Lists of 50 jobs:',
    table([
      ['', 'median', 'p99'],
      ...listing.map((each) => [each.query, `${digits(each.median, 1)} ms`, `${digits(each.p99, 1)} ms`]),
    ]),
    '',
    '256 sessions by the published client canfar 1.5.2:',
    table([
      ['', 'create(replicas=256)', 'Python’s CPU of it', 'bare, its library', 'bare, ours'],
      ...publishedClient.map(({ name, connections, client, clientProcessor, library, bare }) => [
        `${name}, ${connections} connection${connections === 1 ? '' : 's'}`,
        ...[client, clientProcessor, library, bare].map((seconds) => `${digits(seconds, 2)} s`),
      ]),
    ]),
    '',
    `Memory: ${digits(submittedMb, 0)} MB at most after the submissions.`,
    '',
    'Figures to reach:',
    aimsTable(aims),
  ].join('\n')
}

function jobAims({ latency, rate, memory }: JobResults): Aim[] {
  const rateOfFloor = of(rate, ours) / of(rate, floor)
  const behindFloor = of(latency, ours) - of(latency, floor)
  const serverMs = rate.find(({ name }) => name === ours)?.processor?.serverMs ?? NaN
  return [
    ['jobs/s, part of the runc loop', digits(rateOfFloor, 2), 'at least 0.83', rateOfFloor >= 0.83],
    ['the server’s JavaScript a job', `${digits(serverMs, 1)} ms`, 'under 4 ms', serverMs < 4],
    ['first instruction after the runc loop’s', `${digits(behindFloor, 0)} ms`, 'at most 30 ms', behindFloor <= 30],
    ['memory of an idle server', `${digits(memory.idleMb, 0)} MB`, 'under 120 MB', memory.idleMb < 120],
  ]
}

const aimsTable = (aims: readonly Aim[]): string =>
  table(aims.map(([what, value, aim, reached]) => [what, value, aim, reached ? 'reached' : 'MISSED']))
