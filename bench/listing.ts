import { HttpConnection } from './http-connection.ts'
import { jobRequest, type Platform } from './platform.ts'
import { openSqliteStore } from '../packages/server/src/store/sqlite/open.ts'
import { newJobId } from '../packages/server/src/job/ids.ts'
import { attemptId, type NewJob } from '../packages/server/src/job/job.ts'
import { median, percentile } from './statistics.ts'

/** Ended jobs that a list is taken from. */
export const endedJobCount = 100_000

/** Milliseconds. What ended so long ago is off the list of the skaha wire. */
const twoDays = 2 * 24 * 3_600_000

/** Puts ended jobs of the user `bench` into the store of a platform that does not run yet, by the store's own port. */
export async function insertEndedJobs(dataDir: string, count: number): Promise<void> {
  const store = await openSqliteStore(`${dataDir}/platform.db`)
  const now = Date.now()
  const { name, image, cmd, args } = jobRequest('ended', ['/bin/true'])
  const make = (index: number): NewJob => {
    const submittedAt = now - twoDays - (count - index) * 100
    const id = newJobId()
    return {
      id,
      owner: 'bench',
      name: `${name}-${index}`,
      image,
      args,
      env: { REPLICA_ID: '1' },
      ...(cmd === undefined ? {} : { cmd: [cmd] }),
      resources: {
        cores: { request: 1, limit: 1 },
        memoryGb: { request: 1, limit: 1 },
        gpus: 0,
        fixed: true,
      },
      timeSeconds: 3600,
      graceSeconds: 30,
      taskIndex: 1,
      taskCount: 1,
      attempt: 1,
      submittedAt,
      state: index % 50 === 0 ? 'failed' : 'succeeded',
      exitCode: index % 50 === 0 ? 1 : 0,
      startedAt: submittedAt + 50,
      endedAt: submittedAt + 90,
      cause: { code: 'exited', message: 'The command exited.' },
    }
  }
  try {
    for (let first = 0; first < count; first += 5000) {
      const jobs = Array.from({ length: Math.min(5000, count - first) }, (_, i) => make(first + i))
      const events = jobs.map((job) => ({
        jobId: job.id,
        at: job.submittedAt,
        type: 'Normal' as const,
        reason: 'Ended',
        message: `The attempt ${attemptId(job.id, 1)} ended.`,
      }))
      await store.submit({ jobs, events })
    }
  } finally {
    await store.close()
  }
}

/** Milliseconds that a list takes, by what is asked for. */
export interface ListingFigures {
  readonly query: string
  readonly median: number
  readonly p99: number
}

/** Asks for lists of 50, as a dashboard or `canfar ps` would, and for the sessions of the skaha wire that have not ended. */
export async function measureListing(platform: Platform, times: number): Promise<ListingFigures[]> {
  const connection = new HttpConnection(platform.url, platform.token)
  const figures: ListingFigures[] = []
  const measure = async (query: string, path: string, count: (answer: unknown) => number, wanted: number) => {
    const milliseconds: number[] = []
    for (let i = 0; i < times; i += 1) {
      const startedAt = performance.now()
      const answer = JSON.parse(await connection.expect(200, 'GET', path)) as unknown
      milliseconds.push(performance.now() - startedAt)
      if (count(answer) !== wanted) throw new Error(`${path}: ${count(answer)} in place of ${wanted}`)
    }
    figures.push({ query, median: median(milliseconds), p99: percentile(milliseconds, 0.99) })
  }
  try {
    for (const query of ['limit=50', 'limit=50&state=failed', 'limit=50&name=ended-9'])
      await measure(query, `/api/v1/jobs?${query}`, (page) => (page as { jobs: unknown[] }).jobs.length, 50)
    // Those that ended a day ago and more are off the list: none is left, and none may be looked at.
    await measure('skaha sessions', '/skaha/v1/session', (sessions) => (sessions as unknown[]).length, 0)
  } finally {
    connection.close()
  }
  return figures
}
