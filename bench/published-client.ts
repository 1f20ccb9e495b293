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
const pinned = fileURLToPath(new URL('../e2e/acceptance/clients/canfar-1.5.2.txt', import.meta.url))
const script = fileURLToPath(new URL('published_client.py', import.meta.url))

/** Seconds for {@link replicaCount} sessions, the middle of five each. */
export interface PublishedClientFigures {
  /** The client's class: `Session` sends one request after the other, `AsyncSession` as many at a time as it is told. */
  readonly name: string
  readonly connections: number
  /** By `create(..., replicas=256)` of the published client. */
  readonly client: number
  /** By as many requests of the HTTP library that the client is built on, and no more. */
  readonly library: number
  /** By as many requests of the benchmark's own connections, which cost next to nothing themselves. */
  readonly bare: number
}

/** Measures the published client beside bare requests like its own, over one connection and over 32. */
export async function measurePublishedClient(platform: Platform): Promise<PublishedClientFigures[]> {
  const env = { ...process.env, CANFAR_URL: `${platform.url}/skaha/v1`, CANFAR_TOKEN: platform.token }
  const { image } = jobRequest('waiting', ['true'])
  const args = [script, image, String(replicaCount), String(rounds)]
  const { stdout } = await promisify(execFile)(join(await pythonPrograms(pinned), 'python'), args, { env })
  const python = JSON.parse(stdout) as Record<'session' | 'bare' | 'asyncSession' | 'asyncBare', number[]>
  const figures = async (name: string, connections: number, client: number[], library: number[]) => ({
    name,
    connections,
    client: median(client),
    library: median(library),
    bare: median(await bareRequests(platform, image, connections)),
  })
  return [
    await figures('Session', 1, python.session, python.bare),
    await figures('AsyncSession', 32, python.asyncSession, python.asyncBare),
  ]
}

/** The client's own requests, word for word, over connections that are kept open. */
async function bareRequests({ url, token }: Platform, image: string, connectionCount: number): Promise<number[]> {
  const connections = Array.from({ length: connectionCount }, () => new HttpConnection(url, token))
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
    const seconds: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      const startedAt = performance.now()
      let replica = 0
      await Promise.all(
        connections.map(async (each) => {
          while (replica < replicaCount) await each.expect(200, 'POST', request((replica += 1)))
        }),
      )
      seconds.push((performance.now() - startedAt) / 1000)
    }
    return seconds
  } finally {
    connections.forEach((each) => each.close())
  }
}
