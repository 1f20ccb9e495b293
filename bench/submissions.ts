import { HttpConnection } from './http-connection.ts'
import { blockingCommand, jobRequest, type Platform } from './platform.ts'
import { parallelism } from './contender.ts'
import { median } from './statistics.ts'

/** Clients that submit at the same time. */
export const connectionCount = 32

/** What submitting costs when everything that is submitted must wait. */
export interface SubmissionFigures {
  /** Requests of one job each, answered per second over {@link connectionCount} connections; each is durable when answered. */
  readonly perSecond: number
  /** Seconds for one request of 1,000 replicas, the middle of five. */
  readonly thousandReplicasSeconds: number
}

/** Fills the machine with one job that waits, so that only submitting is measured, and then submits for a while. */
export async function measureSubmissions(platform: Platform, seconds: number): Promise<SubmissionFigures> {
  const connections = Array.from({ length: connectionCount }, () => new HttpConnection(platform.url, platform.token))
  const [connection] = connections
  if (!connection) throw new Error('no connection')
  try {
    const all = { cores: parallelism, memoryGb: parallelism, network: 'none' }
    const blocking = { ...jobRequest('blocking', blockingCommand), ...all }
    const { ids } = JSON.parse(await connection.expect(201, 'POST', '/api/v1/jobs', blocking)) as { ids: string[] }
    const blockingJob = `/api/v1/jobs/${ids[0]}`
    for (let state = ''; state !== 'running';) {
      state = (JSON.parse(await connection.expect(200, 'GET', blockingJob)) as { state: string }).state
    }

    const waiting = jobRequest('waiting', ['/bin/true'])
    const submitFor = async (milliseconds: number): Promise<number> => {
      const startedAt = performance.now()
      let submitted = 0
      await Promise.all(
        connections.map(async (each) => {
          while (performance.now() - startedAt < milliseconds) {
            await each.expect(201, 'POST', '/api/v1/jobs', waiting)
            submitted += 1
          }
        }),
      )
      return (submitted * 1000) / (performance.now() - startedAt)
    }
    await submitFor(500)
    const perSecond = await submitFor(seconds * 1000)

    const times: number[] = []
    for (let i = 0; i < 5; i += 1) {
      const startedAt = performance.now()
      await connection.expect(201, 'POST', '/api/v1/jobs', { ...waiting, replicas: 1000 })
      times.push((performance.now() - startedAt) / 1000)
    }
    return { perSecond, thousandReplicasSeconds: median(times) }
  } finally {
    connections.forEach((each) => each.close())
  }
}
