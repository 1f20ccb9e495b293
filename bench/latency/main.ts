/**
 * `npm run bench:latency`: what a user waits for an answer while others send the heaviest requests in a loop, over a long queue on
 * simulated nodes. Server, user and heavy requests are processes of their own.
 *
 *     npm run bench:latency                              about four minutes
 *     npm run bench:latency -- --jobs 10000 --seconds 3  less of both
 *     npm run bench:latency -- --only why --only metrics
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { HttpConnection } from '../http-connection.ts'
import { describeMachine } from '../machine.ts'
import { percentile } from '../statistics.ts'
import { digits, table } from '../table.ts'
import type { ProbeFigures } from './probe.ts'
import { insertWaitingJobs } from './queue.ts'
import type { ServerFigures } from './server.ts'

/** In turns; the last one makes the queue longer. */
const scenarios = [
  'at rest',
  'view=all',
  'why',
  'overview',
  'stats',
  'metrics',
  'list, name',
  'list, state',
  'audit',
  'wait, 1000',
  'changes',
  '10,000 replicas',
] as const

/** Milliseconds: no request may delay another's answer by more. */
const aimMs = 50

const { values: options } = parseArgs({
  options: {
    jobs: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '15' },
    only: { type: 'string', multiple: true, default: [...scenarios] },
  },
})
const wrong = options.only.find((name) => !(scenarios as readonly string[]).includes(name))
if (wrong !== undefined) throw new Error(`there is no scenario ${wrong}; there are ${scenarios.join('; ')}`)

/** As bin/science-platform starts it. */
const serverOptions = ['--max-semi-space-size=2', '--heap-growing-percent=50']

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const start = (file: string, args: readonly string[], nodeOptions: readonly string[] = []): ChildProcess =>
  spawn(process.execPath, [...nodeOptions, fileOf(file), ...args], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })

interface Server {
  readonly url: string
  readonly token: string
  readonly adminToken: string
  /** What happened since the last call. */
  figures(): Promise<ServerFigures>
  stop(): Promise<void>
}

async function startServer(folder: string): Promise<Server> {
  const child = start('server.ts', [folder], serverOptions)
  if (child.stdout === null) throw new Error('the server has no output')
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const [url = '', token = '', adminToken = ''] = line.split(' ')
  return {
    url,
    token,
    adminToken,
    figures: async () => {
      const answer = once(child, 'message')
      child.send('figures')
      const [figures] = (await answer) as [ServerFigures]
      return figures
    },
    stop: async () => {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** `p50 / p99 / most` in milliseconds. */
const spread = (values: readonly number[]): string =>
  values.length === 0
    ? '-'
    : [percentile(values, 0.5), percentile(values, 0.99), Math.max(...values)].map((ms) => digits(ms, 0)).join('/')

async function measure(server: Server, name: string, ids: string, job: string): Promise<string[]> {
  const { url, token, adminToken } = server
  const heavy = name === 'at rest' ? undefined : start('heavy.ts', [name, url, token, adminToken, ids])
  const answered = heavy?.stdout ? text(heavy.stdout) : undefined
  // The first answers compile code and start the worker: they count too.
  await server.figures()
  const probe = start('probe.ts', [url, token, job, options.seconds])
  if (probe.stdout === null) throw new Error('the probe has no output')
  const probed = JSON.parse(await text(probe.stdout)) as ProbeFigures
  const { cycles, lateP99, lateMost, longestTurn } = await server.figures()
  if (heavy !== undefined && heavy.exitCode !== null) throw new Error(`${name} failed`)
  heavy?.kill('SIGTERM')
  return [
    name,
    (await answered) ?? '',
    spread(probed.job),
    spread(probed.submission),
    spread(cycles),
    `${digits(lateP99, 0)}/${digits(lateMost, 0)}`,
    digits(longestTurn, 0),
    longestTurn <= aimMs ? 'reached' : 'MISSED',
  ]
}

const folder = await mkdtemp(join(tmpdir(), 'science-platform-latency-'))
let server: Server | undefined
try {
  const own = await insertWaitingJobs(folder, Number(options.jobs))
  const ids = join(folder, 'ids.json')
  // The end of the queue: jobs that wait until the end.
  await writeFile(ids, JSON.stringify(own.slice(-10_000)))
  const job = own.at(-1) ?? ''
  server = await startServer(folder)
  const connection = new HttpConnection(server.url, server.token)
  // Until every core runs a job.
  for (let [before, active] = [0, 1]; active > before;) {
    before = active
    await pause(2_000)
    active = (await server.figures()).active
  }
  await connection.expect(200, 'GET', `/api/v1/jobs/${job}`)
  connection.close()
  const before = loadavg()[0] ?? 0
  const rows: string[][] = []
  for (const name of scenarios) if (options.only.includes(name)) rows.push(await measure(server, name, ids, job))
  const reached = rows.filter((row) => row.at(-1) === 'reached').length
  const machine = await describeMachine()
  console.log(
    [
      `${machine.system}, Linux ${machine.kernel}, ${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GiB,`,
      `Node ${machine.node}, load ${digits(before, 1)} before and ${digits(loadavg()[0] ?? 0, 1)} after; ${new Date().toISOString()}`,
      '',
      `${options.jobs} jobs wait, 800 cores run jobs of a minute on average; ${options.seconds} s each. Milliseconds: median/p99/most;`,
      'late: timers of the server, p99/most; turn: most processor time between two of its timers.',
      table([['in a loop', 'answers', 'GET job', 'submit', 'cycle', 'late', 'turn', ''], ...rows]),
      '',
      `Figure to reach: no turn above ${aimMs} ms; reached in ${reached} of ${rows.length}.`,
    ].join('\n'),
  )
} finally {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
}
