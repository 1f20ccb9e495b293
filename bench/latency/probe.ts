/**
 * What one user notices, in a process of its own: asks for a job every 10 ms and submits one every 50 ms, one request at a time each,
 * and prints the milliseconds that the answers took as JSON.
 *
 *     node bench/latency/probe.ts URL TOKEN JOB SECONDS
 */
import { setTimeout as pause } from 'node:timers/promises'
import { HttpConnection } from '../http-connection.ts'
import { jobRequest } from '../platform.ts'

/** Milliseconds of each answer. */
export interface ProbeFigures {
  readonly job: readonly number[]
  readonly submission: readonly number[]
}

const [url = '', token = '', job = '', seconds = ''] = process.argv.slice(2)
const until = performance.now() + Number(seconds) * 1000

async function repeat(everyMs: number, ask: (connection: HttpConnection) => Promise<unknown>): Promise<number[]> {
  const connection = new HttpConnection(url, token)
  const milliseconds: number[] = []
  try {
    while (performance.now() < until) {
      const begun = performance.now()
      await ask(connection)
      milliseconds.push(performance.now() - begun)
      await pause(Math.max(1, everyMs - (performance.now() - begun)))
    }
  } finally {
    connection.close()
  }
  return milliseconds
}

const [read, submitted] = await Promise.all([
  repeat(10, (over) => over.expect(200, 'GET', `/api/v1/jobs/${job}`)),
  repeat(50, (over) => over.expect(201, 'POST', '/api/v1/jobs', jobRequest('probe', ['/bin/true']))),
])
const figures: ProbeFigures = { job: read, submission: submitted }
process.stdout.write(JSON.stringify(figures))
