import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pythonPrograms } from '../e2e/support/python-environment.ts'
import { HttpConnection } from './http-connection.ts'
import { jobRequest, type Platform } from './platform.ts'
import { median } from './statistics.ts'

/** Sessions that one call of the published client makes: the most that it takes. */
const replicaCount = 256

const rounds = 5

/** Requests at a time of the asynchronous client: `connections` in the script. */
const connectionCount = 32
const pinned = fileURLToPath(new URL('../e2e/acceptance/clients/canfar-1.5.2.txt', import.meta.url))
const script = fileURLToPath(new URL('published_client.py', import.meta.url))

/** Seconds for {@link replicaCount} sessions, the middle of five each. */
export interface PublishedClientFigures {
  /** The client's class: `Session` sends one request after the other, `AsyncSession` as many at a time as it is told. */
  readonly name: string
  readonly connections: number
  /** By `create(..., replicas=256)` of the published client. */
  readonly client: number
  /** Seconds of processor time that Python itself takes for that: what no server can make less. */
  readonly clientProcessor: number
  /** By as many requests of the HTTP library that the client is built on, and no more. */
  readonly library: number
  /** By as many requests of the benchmark's own connections, which cost next to nothing themselves. */
  readonly bare: number
}

/** What the script measures: seconds by the clock, and of processor time. */
type PythonRound = Readonly<
  Record<'session' | 'bare' | 'asyncSession' | 'asyncBare', readonly [seconds: number, processor: number]>
>

/** Measures the published client beside bare requests like its own, over one connection and over 32, in turns. */
export async function measurePublishedClient(platform: Platform): Promise<PublishedClientFigures[]> {
  const env = { ...process.env, CANFAR_URL: `${platform.url}/skaha/v1`, CANFAR_TOKEN: platform.token }
  const { image } = jobRequest('waiting', ['true'])
  const program = join(await pythonPrograms(pinned), 'python')
  const measured: { python: PythonRound; one: number; many: number }[] = []
  for (let round = 0; round < rounds; round += 1) {
    const { stdout } = await promisify(execFile)(program, [script, image, String(replicaCount)], { env })
    measured.push({
      python: JSON.parse(stdout) as PythonRound,
      one: await bareRequests(platform, image, 1),
      many: await bareRequests(platform, image, connectionCount),
    })
  }
  const figures = (name: string, connections: number, client: keyof PythonRound, library: keyof PythonRound) => ({
    name,
    connections,
    client: median(measured.map(({ python }) => python[client][0])),
    clientProcessor: median(measured.map(({ python }) => python[client][1])),
    library: median(measured.map(({ python }) => python[library][0])),
    bare: median(measured.map(({ one, many }) => (connections === 1 ? one : many))),
  })
  return [
    figures('Session', 1, 'session', 'bare'),
    figures('AsyncSession', connectionCount, 'asyncSession', 'asyncBare'),
  ]
}

/** Seconds for the client's own requests, word for word, over connections that are kept open. */
async function bareRequests({ url, token }: Platform, image: string, count: number): Promise<number> {
  const connections = Array.from({ length: count }, () => new HttpConnection(url, token))
  const request = (replica: number): string =>
    `/skaha/v1/session?${new URLSearchParams([
      ['name', `waiting-${replica}`],
      ['image', image],
      ['cores', '1'],
      ['ram', '1'],
      ['type', 'headless'],
      ['cmd', 'true'],
      ['env', `REPLICA_ID=${replica}`],
      ['env', `REPLICA_COUNT=${replicaCount}`],
    ]).toString()}`
  try {
    await Promise.all(connections.map((each) => each.expect(200, 'GET', '/skaha/v1/session?status=Running')))
    const startedAt = performance.now()
    let replica = 0
    await Promise.all(
      connections.map(async (each) => {
        while (replica < replicaCount) await each.expect(200, 'POST', request((replica += 1)))
      }),
    )
    return (performance.now() - startedAt) / 1000
  } finally {
    connections.forEach((each) => each.close())
  }
}
