/**
 * Sends one heavy request in a loop until SIGTERM, in a process of its own; then prints how many were answered.
 *
 *     node bench/latency/heavy.ts NAME URL TOKEN ADMIN-TOKEN FILE     FILE: a JSON list of ids of jobs
 */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** What a request of a loop is made of. */
interface Heavy {
  readonly path: (turn: number) => string
  readonly body?: (turn: number) => object
  /** Requests at the same time. @defaultValue 1 */
  readonly atOnce?: number
  readonly asAdministrator?: boolean
}

const [name = '', url = '', token = '', adminToken = '', file = ''] = process.argv.slice(2)
const ids = JSON.parse(readFileSync(file, 'utf8')) as readonly string[]
const idAt = (turn: number): string => ids[(turn * 7919) % ids.length] ?? ''

/** The requests, by the names of the table. */
const requests: Readonly<Record<string, Heavy>> = {
  'view=all': { path: () => '/skaha/v1/session?view=all' },
  why: { path: (turn) => `/api/v1/jobs/${idAt(turn)}/why` },
  overview: { path: () => '/api/v1/queue' },
  stats: { path: () => '/skaha/v1/session?view=stats' },
  metrics: { path: () => '/metrics', asAdministrator: true },
  'list, name': { path: () => '/api/v1/jobs?name=no-such&limit=100' },
  'list, state': { path: () => '/api/v1/jobs?state=failed,running&sort=submitted&limit=1000' },
  audit: { path: () => '/api/v1/audit?user=nobody&limit=1000', asAdministrator: true },
  'wait, 1000': {
    path: () => '/api/v1/jobs/wait',
    body: (turn) => ({ ids: Array.from({ length: 1000 }, (_, i) => idAt(turn * 1000 + i)), timeout: 1 }),
    atOnce: 50,
  },
  changes: { path: () => '/api/v1/changes?all=1', atOnce: 20, asAdministrator: true },
  '10,000 replicas': {
    path: () => '/api/v1/jobs',
    body: () => ({
      name: 'many',
      image: 'localhost/bench:1',
      cmd: '/bin/true',
      cores: 1,
      memoryGb: 1,
      replicas: 10_000,
    }),
  },
}

const heavy = requests[name]
if (heavy === undefined) throw new Error(`there is no request ${name}; there are ${Object.keys(requests).join(', ')}`)

const over = new AbortController()
process.once('SIGTERM', () => {
  over.abort()
})
let answered = 0
let turn = 0
async function loop({ path, body, asAdministrator = false }: Heavy): Promise<void> {
  while (!over.signal.aborted) {
    const mine = turn++
    const answer = await fetch(`${url}${path(mine)}`, {
      signal: over.signal,
      headers: {
        authorization: `Bearer ${asAdministrator ? adminToken : token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body(mine)) }),
    })
    if (answer.status >= 400) throw new Error(`${name}: ${answer.status} ${await answer.text()}`)
    for await (const _ of answer.body ?? []);
    answered++
    await pause(1)
  }
}
const left = (error: unknown): void => {
  if (!over.signal.aborted) throw error
}
await Promise.all(Array.from({ length: heavy.atOnce ?? 1 }, () => loop(heavy).catch(left)))
process.stdout.write(`${answered}`)
