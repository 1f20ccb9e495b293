import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createLog } from '../lib/log.ts'
import { ChangeLog } from '../store/change-log.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import { someJob } from '../store/testing/some-job.ts'
import type { Store } from '../store/store.ts'
import { JobWatch } from './job-watch.ts'
import { waitForAny } from './wait.ts'

const jobs = Array.from({ length: 1_000 }, () => someJob())
const ids = jobs.map(({ id }) => id)
const [first = '', other = ''] = ids

describe('waiting for a thousand jobs', () => {
  let folder: string
  let store: Store
  let changes: ChangeLog
  let watch: JobWatch
  /** The reads of jobs since the last look: method and number of ids. */
  const reads: [method: string, count: number][] = []
  const looked = () => reads.splice(0)
  const cancelled = (jobId: string) =>
    store.step([{ jobId, at: 1, from: 'queued', event: { type: 'cancelRequested' }, fields: { endedAt: 1 } }])
  const note = (jobId: string) => store.addEvents([{ jobId, at: 1, type: 'Normal', reason: 'Noted', message: 'x' }])

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sp-wait-'))
    store = await openSqliteStore(join(folder, 'platform.db'))
    await store.submit({ jobs, events: [] })
    changes = await ChangeLog.open(store, createLog('error', { write: () => undefined }))
    watch = new JobWatch(changes)
  })
  after(async () => {
    watch.close()
    await changes.close()
    await store.close()
    await rm(folder, { recursive: true })
  })

  const counted: Pick<Store, 'glimpsesById' | 'jobsById' | 'attempts'> = {
    glimpsesById: (some) => (reads.push(['glimpsesById', some.length]), store.glimpsesById(some)),
    jobsById: (some) => (some.length > 0 && reads.push(['jobsById', some.length]), store.jobsById(some)),
    attempts: (some) => (some.length > 0 && reads.push(['attempts', some.length]), store.attempts(some)),
  }
  const wait = (signal: AbortSignal, some: readonly string[] = ids) =>
    waitForAny({ store: counted, watch }, some, ({ owner }) => owner === 'ada', signal)

  it('reads them once, nothing while nothing of them changes, and at the end those that ended', async () => {
    const { signal } = new AbortController()
    const waiting = Promise.all(Array.from({ length: 50 }, () => wait(signal)))
    // A read of another job is answered though each of the waits reads a thousand.
    let isWaitRead = false
    void waiting.then(() => {
      isWaitRead = true
    })
    assert.equal((await store.job(other))?.state, 'queued')
    assert.equal(isWaitRead, false)
    assert.equal(watch.size, 50)
    await note(other)
    await store.submit({ jobs: [someJob()], events: [] })
    await changes.refresh()
    assert.deepEqual(
      looked(),
      Array.from({ length: 50 }, () => ['glimpsesById', 1_000]),
    )
    await cancelled(first)
    for (const { ended, unknown } of await waiting) {
      assert.deepEqual(
        ended.map(({ job }) => [job.id, job.state]),
        [[first, 'cancelled']],
      )
      assert.deepEqual(unknown, [])
    }
    assert.deepEqual(
      looked().filter(([, count]) => count !== 1),
      [],
    )
    assert.equal(watch.size, 0)
  })

  it('ends with its signal, and leaves no watcher', async () => {
    const gone = new AbortController()
    const left = ids.filter((id) => id !== first)
    const waiting = wait(gone.signal, left)
    gone.abort()
    assert.deepEqual(await waiting, { ended: [], unknown: [] })
    assert.equal(watch.size, 0)
    looked()
  })

  it('ends when a whole array ends, which one change of the array says', async () => {
    const tasks = Array.from({ length: 20 }, (_, i) =>
      someJob({ arrayId: 'arr00000', taskIndex: i + 1, taskCount: 20 }),
    )
    await store.submit({ jobs: tasks, events: [] })
    let change: (change: object) => void = () => undefined
    const own = new JobWatch({
      follow: (handle) => {
        change = (one) => {
          handle([one as never])
        }
        return () => undefined
      },
    })
    const isRead = Promise.withResolvers<void>()
    const reading: typeof counted = {
      ...counted,
      glimpsesById: async (some) => {
        const glimpses = await store.glimpsesById(some)
        setImmediate(isRead.resolve)
        return glimpses
      },
    }
    const some = tasks.map(({ id }) => id)
    const { signal } = new AbortController()
    const waiting = waitForAny({ store: reading, watch: own }, some, () => true, signal)
    await isRead.promise
    await store.step(
      some.map((jobId) => ({
        jobId,
        at: 1,
        from: 'queued',
        event: { type: 'cancelRequested' },
        fields: { endedAt: 1 },
      })),
    )
    change({ number: 1, at: 1, kind: 'cancelled', owner: 'ada', subject: 'arr00000', to: 'cancelled' })
    assert.equal((await waiting).ended.length, 20)
  })
})

describe('reads of many jobs', () => {
  it('leave the read of one job before them, however many began before it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sp-reads-'))
    const store = await openSqliteStore(join(folder, 'platform.db'))
    const many = Array.from({ length: 1_000 }, () => someJob())
    await store.submit({ jobs: many, events: [] })
    const some = many.map(({ id }) => id)
    const order: string[] = []
    const reads = Array.from({ length: 50 }, () => store.glimpsesById(some).then(() => order.push('a thousand')))
    reads.push(store.job(some[0] ?? '').then(() => order.push('one')))
    await Promise.all(reads)
    assert.equal(order.indexOf('one'), 0)
    await store.close()
    await rm(folder, { recursive: true })
  })
})
