import { newJobId } from '../../packages/server/src/job/ids.ts'
import type { NewJob } from '../../packages/server/src/job/job.ts'
import { openSqliteStore } from '../../packages/server/src/store/sqlite/open.ts'

export const ordinaryUser = 'bench'
export const administrator = 'boss'

/** Milliseconds that a job runs: half a minute to a minute and a half, so that those that start together end one by one. */
export const runMsOf = (id: string): number => 30_000 + (parseInt(id.slice(0, 6), 36) % 60_000)

/** Room for 800 jobs of one core: about 13 end every second. */
export const nodes = Array.from({ length: 25 }, (_, i) => ({ name: `n${i}`, cores: 32, memoryGb: 128, gpus: 0 }))

/** Puts waiting jobs into the store: a fifth of `bench`, the others of a hundred users, in forms that do not look alike. */
export async function insertWaitingJobs(folder: string, count: number): Promise<readonly string[]> {
  const store = await openSqliteStore(`${folder}/platform.db`)
  const now = Date.now()
  const make = (index: number): NewJob => {
    const owner = index % 5 === 0 ? ordinaryUser : `user-${index % 100}`
    const cores = 1 + (index % 4)
    return {
      id: newJobId(),
      owner,
      name: `waiting-${index}`,
      image: `localhost/bench:${index % 50}`,
      cmd: ['/bin/reduce'],
      args: [`${index % 1000}`],
      env: { REPLICA_ID: '1' },
      resources: {
        cores: { request: cores, limit: cores },
        memoryGb: { request: cores, limit: cores },
        gpus: 0,
        fixed: true,
      },
      timeSeconds: 600 * (1 + (index % 12)),
      graceSeconds: 30,
      taskIndex: 1,
      taskCount: 1,
      attempt: 0,
      submittedAt: now - (count - index) * 10,
      state: 'queued',
    }
  }
  const own: string[] = []
  try {
    for (let first = 0; first < count; first += 5_000) {
      const jobs = Array.from({ length: Math.min(5_000, count - first) }, (_, i) => make(first + i))
      await store.submit({ jobs, events: [] })
      own.push(...jobs.filter(({ owner }) => owner === ordinaryUser).map(({ id }) => id))
    }
  } finally {
    await store.close()
  }
  return own
}
