import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pythonPrograms } from '../e2e/support/python-environment.ts'
import { HttpConnection } from './http-connection.ts'
import { jobRequest, type Platform } from './platform.ts'
import { median } from './statistics.ts'

/** Sessions per call of the published client: its maximum. */
const replicaCount = 256

const rounds = 5

/** Concurrent requests of the asynchronous client: `connections` in the script. */
const connectionCount = 32
const pinned = fileURLToPath(new URL('../e2e/acceptance/clients/canfar-1.5.2.txt', import.meta.url))
const script = fileURLToPath(new URL('published_client.py', import.meta.url))

/** Seconds for {@link replicaCount} sessions, medians of five measurements. */
export interface PublishedClientFigures {
  /** The class of the client: `Session` sends sequential requests, `AsyncSession` concurrent ones. */
  readonly name: string
  readonly connections: number
  /** With `create(..., replicas=256)` of the published client. */
  readonly client: number
  /** Processor time of Python for that, in seconds. No server can reduce it. */
  readonly clientProcessor: number
  /** With as many bare requests of the client's HTTP library. */
  readonly library: number
  /** With as many requests of the benchmark's own connections, which need little processor time. */
  readonly bare: number
}

/** The figures of the script: elapsed seconds, and seconds of processor time. */
type PythonRound = Readonly<
  Record<'session' | 'bare' | 'asyncSession' | 'asyncBare', readonly [seconds: number, processor: number]>
>

/** Measures the published client and equal bare requests in turns, over one connection and over 32. */
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

/** Seconds for exact copies of the client's requests over persistent connections. */
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
