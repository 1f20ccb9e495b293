/**
 * `npm run bench:hardening`: what token checks, limits on requests, the audit trail and metrics cost. Two servers on this
 * machine, with and without them, are asked in turns.
 *
 *     npm run bench:hardening                about three minutes
 *     npm run bench:hardening -- --quick     twenty seconds
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
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
import { median } from '../statistics.ts'
import { connectionCount } from '../submissions.ts'
import { digits, table } from '../table.ts'

const { values: options } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
const rounds = options.quick ? 4 : 24
const milliseconds = options.quick ? 500 : 1000

/** Ended jobs in each store, so that a list is a page of many. */
const endedJobs = 10_000

/** What is asked, by its name: one request over one connection. */
const questions: Readonly<Record<string, (connection: HttpConnection) => Promise<unknown>>> = {
  submissions: (connection) => connection.expect(201, 'POST', '/api/v1/jobs', jobRequest('waiting', ['/bin/true'])),
  'submissions, skaha': (connection) =>
    connection.expect(200, 'POST', '/skaha/v1/session?name=waiting&image=localhost/bench:1&cmd=/bin/true'),
  'lists of 50 jobs': (connection) => connection.expect(200, 'GET', '/api/v1/jobs?limit=50&state=succeeded'),
  'lists of one job': (connection) => connection.expect(200, 'GET', '/api/v1/jobs?limit=1&state=succeeded'),
}

async function startServer(folder: string, kind: 'hardened' | 'bare') {
  await insertEndedJobs(folder, endedJobs)
  const server = spawn(process.execPath, [fileURLToPath(new URL('server.ts', import.meta.url)), folder, kind], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface(server.stdout), 'line')) as [string]
  const [url = '', token = ''] = line.split(' ')
  const connections = Array.from({ length: connectionCount }, () => new HttpConnection(url, token))
  return {
    connections,
    pid: server.pid ?? 0,
    stop: async () => {
      connections.forEach((connection) => connection.close())
      const ended = once(server, 'exit')
      server.kill('SIGTERM')
      await ended
    },
  }
}

type Server = Awaited<ReturnType<typeof startServer>>

/** What one turn found. */
interface Turn {
  /** Answers a second to one question over all connections of a server. */
  readonly perSecond: number
  /** Milliseconds of processor time that the server took for each: what other work on the machine changes least. */
  readonly processorMs: number
}

async function ask({ connections, pid }: Server, question: (over: HttpConnection) => Promise<unknown>): Promise<Turn> {
  const startedAt = performance.now()
  const usedBefore = processorSeconds(pid)
  let answered = 0
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() - startedAt < milliseconds) {
        await question(connection)
        answered += 1
      }
    }),
  )
  return {
    perSecond: (answered * 1000) / (performance.now() - startedAt),
    processorMs: ((processorSeconds(pid) - usedBefore) * 1000) / answered,
  }
}

/** Ticks of user and system time of a process, of which Linux has a hundred a second (proc(5)). */
function processorSeconds(pid: number): number {
  const [user = '0', system = '0'] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11)
  return (Number(user) + Number(system)) / 100
}

const folder = await mkdtemp(join(tmpdir(), 'science-platform-hardening-'))
const servers: Server[] = []
try {
  const bare = await startServer(join(folder, 'bare'), 'bare')
  servers.push(bare)
  const hardened = await startServer(join(folder, 'hardened'), 'hardened')
  servers.push(hardened)
  const rows: string[][] = []
  const before = loadavg()[0] ?? 0
  for (const [name, question] of Object.entries(questions)) {
    const turns: { bare: Turn[]; hardened: Turn[] } = { bare: [], hardened: [] }
    for (const server of [bare, hardened]) await ask(server, question)
    for (let round = 0; round < rounds; round += 1) {
      // Now the one first and now the other, so that what becomes slower or faster with time falls on both.
      for (const kind of round % 2 === 0 ? (['bare', 'hardened'] as const) : (['hardened', 'bare'] as const))
        turns[kind].push(await ask(kind === 'bare' ? bare : hardened, question))
    }
    const of = (kind: 'bare' | 'hardened', figure: keyof Turn): number =>
      median(turns[kind].map((turn) => turn[figure]))
    const kept = median(turns.bare.map((turn, i) => ((turns.hardened[i]?.perSecond ?? NaN) * 100) / turn.perSecond))
    const keptProcessor = (of('bare', 'processorMs') * 100) / of('hardened', 'processorMs')
    rows.push([
      name,
      digits(of('bare', 'perSecond'), 0),
      digits(of('hardened', 'perSecond'), 0),
      `${digits(kept, 0)} %`,
      digits(of('bare', 'processorMs'), 3),
      digits(of('hardened', 'processorMs'), 3),
      `${digits(keptProcessor, 0)} %`,
    ])
  }
  const machine = await describeMachine()
  console.log(
    [
      `${machine.system}, Linux ${machine.kernel}, ${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GB,`,
      `Node ${machine.node}, load ${digits(before, 1)} before and ${digits(loadavg()[0] ?? 0, 1)} after; ${new Date().toISOString()}${options.quick ? ' (quick)' : ''}`,
      '',
      `Medians of ${rounds} rounds in turns over ${connectionCount} connections: answers a second, and milliseconds of the server’s`,
      'processor time for each. Kept is what the hardened server keeps of the bare one’s figure; at least 90 % is meant.',
      table([['', 'bare/s', 'hardened/s', 'kept', 'bare ms', 'hardened ms', 'kept'], ...rows]),
    ].join('\n'),
  )
} finally {
  for (const server of servers) await server.stop()
  await rm(folder, { recursive: true, force: true })
}
