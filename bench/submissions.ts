import { HttpConnection } from './http-connection.ts'
import { blockingCommand, jobRequest, type Platform } from './platform.ts'
import { parallelism } from './contender.ts'
import { median } from './statistics.ts'

/** Concurrent clients. */
export const connectionCount = 32

/** The cost of submissions when every job must wait. */
export interface SubmissionFigures {
  /** Requests of one job per second over {@link connectionCount} connections. Each job is on the disk when answered. */
  readonly perSecond: number
  /** Seconds for one request of 1,000 replicas, median of five. */
  readonly thousandReplicasSeconds: number
}

/** Occupies the machine with one blocking job, so that only submissions are measured, then submits for a while. */
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
