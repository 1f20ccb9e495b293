/**
 * `npm run bench:hardening`: the cost of token checks, rate limits, the audit trail and metrics. Two servers in one process,
 * with and without them, get requests in turns.
 *
 *     npm run bench:hardening                about four minutes
 *     npm run bench:hardening -- --quick     half a minute
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { HttpConnection } from '../http-connection.ts'
import { insertEndedJobs } from '../listing.ts'
import { describeMachine } from '../machine.ts'
import { jobRequest } from '../platform.ts'
import { median, percentile } from '../statistics.ts'
import { connectionCount } from '../submissions.ts'
import { digits, table } from '../table.ts'

const { values: options } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
const rounds = options.quick ? 20 : 240

/** Milliseconds of a turn. Short, so that other work on the machine affects both servers. */
const turnMilliseconds = 100

/** Milliseconds of warm-up, in which hot code is compiled. */
const warmUpMilliseconds = options.quick ? 500 : 3000

/** Per cent of the bare server's figure that the hardened server must reach. */
const aim = 90

/** Ended jobs in each store, so that lists have many pages. */
const endedJobs = 10_000

/** The measured requests by name. Each sends one request over one connection. */
const questions: Readonly<Record<string, (connection: HttpConnection) => Promise<unknown>>> = {
  submissions: (connection) => connection.expect(201, 'POST', '/api/v1/jobs', jobRequest('waiting', ['/bin/true'])),
  'submissions, skaha': (connection) =>
    connection.expect(200, 'POST', '/skaha/v1/session?name=waiting&image=localhost/bench:1&cmd=/bin/true'),
  'lists of 50 jobs': (connection) => connection.expect(200, 'GET', '/api/v1/jobs?limit=50&state=succeeded'),
  'lists of one job': (connection) => connection.expect(200, 'GET', '/api/v1/jobs?limit=1&state=succeeded'),
}

async function startServers(folder: string) {
  for (const kind of ['bare', 'hardened']) await insertEndedJobs(join(folder, kind), endedJobs)
  const child = spawn(process.execPath, [fileURLToPath(new URL('server.ts', import.meta.url)), folder], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  if (child.stdout === null) throw new Error('the servers have no output')
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const [bareUrl = '', bareToken = '', hardenedUrl = '', hardenedToken = ''] = line.split(' ')
  const connect = (url: string, token: string): HttpConnection[] =>
    Array.from({ length: connectionCount }, () => new HttpConnection(url, token))
  const connections = { bare: connect(bareUrl, bareToken), hardened: connect(hardenedUrl, hardenedToken) }
  return {
    connections,
    /** Processor time of the server process with all threads, in milliseconds. */
    processorMs: async (): Promise<number> => {
      const answer = once(child, 'message')
      child.send('processor time')
      const [{ user, system }] = (await answer) as [NodeJS.CpuUsage]
      return (user + system) / 1000
    },
    stop: async () => {
      Object.values(connections)
        .flat()
        .forEach((connection) => connection.close())
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}

type Servers = Awaited<ReturnType<typeof startServers>>
type Kind = keyof Servers['connections']

/** The figures of one turn. */
interface Turn {
  /** Answers per second to one kind of request, over all connections of a server. */
  readonly perSecond: number
  /** Processor time of the server per answer in milliseconds. Other work on the machine affects it least. */
  readonly processorMs: number
}

async function ask(
  { connections, processorMs }: Servers,
  kind: Kind,
  question: (over: HttpConnection) => Promise<unknown>,
  milliseconds = turnMilliseconds,
): Promise<Turn> {
  const usedBefore = await processorMs()
  const startedAt = performance.now()
  let answered = 0
  await Promise.all(
    connections[kind].map(async (connection) => {
      while (performance.now() - startedAt < milliseconds) {
        await question(connection)
        answered += 1
      }
    }),
  )
  return {
    perSecond: (answered * 1000) / (performance.now() - startedAt),
    processorMs: ((await processorMs()) - usedBefore) / answered,
  }
}

/** Per cent of the bare server's figure: the median of all rounds, and the quartiles. */
function kept(rounds: readonly number[]): { readonly text: string; readonly reached: string } {
  const quartile = (part: number): string => digits(percentile(rounds, part), 0)
  const middle = median(rounds)
  return {
    text: `${digits(middle, 0)} % (${quartile(0.25)} to ${quartile(0.75)})`,
    reached: middle >= aim ? 'reached' : 'MISSED',
  }
}

const folder = await mkdtemp(join(tmpdir(), 'science-platform-hardening-'))
let servers: Servers | undefined
try {
  servers = await startServers(folder)
  const figures: string[][] = []
  const aims: string[][] = []
  const before = loadavg()[0] ?? 0
  for (const [name, question] of Object.entries(questions)) {
    const turns: Record<Kind, Turn[]> = { bare: [], hardened: [] }
    for (const kind of ['bare', 'hardened'] as const) await ask(servers, kind, question, warmUpMilliseconds)
    for (let round = 0; round < rounds; round += 1) {
      // Alternates the order, so that a drift of the machine affects both.
      for (const kind of round % 2 === 0 ? (['bare', 'hardened'] as const) : (['hardened', 'bare'] as const))
        turns[kind].push(await ask(servers, kind, question))
    }
    const of = (kind: Kind, figure: keyof Turn): number => median(turns[kind].map((turn) => turn[figure]))
    const pairs = turns.bare.flatMap((turn, i) => {
      const other = turns.hardened[i]
      return other === undefined ? [] : [[turn, other] as const]
    })
    const perSecond = kept(pairs.map(([one, other]) => (other.perSecond * 100) / one.perSecond))
    const processor = kept(pairs.map(([one, other]) => (one.processorMs * 100) / other.processorMs))
    figures.push([
      name,
      ...(['bare', 'hardened'] as const).map((kind) => digits(of(kind, 'perSecond'), 0)),
      ...(['bare', 'hardened'] as const).map((kind) => `${digits(of(kind, 'processorMs'), 3)} ms`),
    ])
    aims.push([`${name}: answers a second`, perSecond.text, `at least ${aim} %`, perSecond.reached])
    aims.push([`${name}: processor time`, processor.text, `at least ${aim} %`, processor.reached])
  }
  const machine = await describeMachine()
  console.log(
    [
      `${machine.system}, Linux ${machine.kernel}, ${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GiB,`,
      `Node ${machine.node}, load ${digits(before, 1)} before and ${digits(loadavg()[0] ?? 0, 1)} after; ${new Date().toISOString()}${options.quick ? ' (quick)' : ''}`,
      '',
      `Medians of ${rounds} rounds in turns of ${turnMilliseconds} ms over ${connectionCount} connections: answers a second, and`,
      'the server’s processor time for each:',
      table([['', 'bare/s', 'hardened/s', 'bare', 'hardened'], ...figures]),
      '',
      'Figures to reach: what is kept of the bare server’s, in the middle round (and in half of them):',
      table(aims),
    ].join('\n'),
  )
} finally {
  await servers?.stop()
  await rm(folder, { recursive: true, force: true })
}
