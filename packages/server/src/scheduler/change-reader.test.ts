import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { policyOf } from '../configuration/policy/policy-of.ts'
import type { StoredChange } from '../store/change.ts'
import { ChangeLog } from '../store/change-log.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import { someJob } from '../store/testing/some-job.ts'
import { ChangeReader, readingOf } from './change-reader.ts'
import { Queue } from './queue.ts'

const change = (parts: Partial<StoredChange> & Pick<StoredChange, 'kind' | 'subject' | 'number'>): StoredChange => ({
  at: 0,
  ...parts,
})

test('a page of changes loads each job once, at its newest change, and no ended jobs', () => {
  const reading = readingOf([
    change({ number: 1, kind: 'submitted', subject: 'a', to: 'queued' }),
    change({ number: 2, kind: 'submitted', subject: 'b', to: 'queued' }),
    change({
      number: 3,
      kind: 'submitted',
      subject: 'arr',
      arrayId: 'arr',
      tasks: { first: 1, last: 9 },
      to: 'queued',
    }),
    change({ number: 4, kind: 'placed', subject: 'a', from: 'queued', to: 'starting' }),
    change({ number: 5, kind: 'noted', subject: 'a' }),
    change({ number: 6, kind: 'cancelled', subject: 'b', from: 'queued', to: 'cancelled' }),
    change({ number: 7, kind: 'token-revoked', subject: 't' }),
  ])
  assert.deepEqual([...reading.jobs], [['a', 4]])
  assert.deepEqual(reading.arrays, [{ id: 'arr', first: 1, last: 9, number: 3 }])
  assert.deepEqual([...reading.ended], [['b', { state: 'cancelled', number: 6 }]])
  assert.equal(reading.holders, false)
})

test('limits are read again after one was set or cleared', () => {
  assert.equal(readingOf([change({ number: 1, kind: 'limit-set', subject: 'user ada' })]).holders, true)
  assert.equal(readingOf([change({ number: 1, kind: 'limit-cleared', subject: 'user ada' })]).holders, true)
})

test('a large array is loaded in pieces: other changes do not wait for it, and what happened to its tasks meanwhile holds', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sp-reader-'))
  const store = await openSqliteStore(join(folder, 'db'))
  const log = await ChangeLog.open(store, pino({ level: 'silent' }))
  const queue = new Queue(policyOf({}), 0)
  const reader = new ChangeReader({ log, store, queue })
  await reader.load()
  const tasks = Array.from({ length: 1_000 }, (_, i) =>
    someJob({ arrayId: 'arr00000', taskIndex: i + 1, taskCount: 1_000 }),
  )
  const outcome = await store.submit({ jobs: tasks, events: [] })
  assert.ok(outcome.outcome === 'stored')
  const isRead = { array: false, single: false }
  reader.whenRead(outcome.change, () => (isRead.array = true))
  await reader.sync()
  assert.ok(reader.isLoading && reader.hasNews())
  assert.ok(queue.jobCache.queueLength < 1_000)

  const [last] = tasks.slice(-1)
  assert.ok(last !== undefined)
  const cancelled = { jobId: last.id, at: 2, from: 'queued', event: { type: 'cancelRequested' } } as const
  await store.step([{ ...cancelled, fields: { endedAt: 2 } }])
  const single = someJob()
  const other = await store.submit({ jobs: [single], events: [] })
  assert.ok(other.outcome === 'stored')
  reader.whenRead(other.change, () => (isRead.single = true))
  await reader.sync()
  assert.notEqual(queue.jobCache.queuedJob(single.id), undefined, 'it does not wait for the array')
  assert.ok(reader.isLoading)
  assert.deepEqual(isRead, { array: false, single: false }, 'tasks that are not loaded count as admitted')

  await reader.syncAll()
  assert.deepEqual(isRead, { array: true, single: true })
  assert.equal(reader.hasNews(), false)
  assert.equal(queue.jobCache.queueLength, 1_000)
  assert.equal(queue.jobCache.queuedJob(last.id), undefined)
  await log.close()
  await store.close()
  await rm(folder, { recursive: true })
})
