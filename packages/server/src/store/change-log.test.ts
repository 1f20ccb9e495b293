import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { CursorTooOld, type StoredChange } from './change.ts'
import { ChangeLog } from './change-log.ts'
import { openSqliteStore } from './sqlite/open.ts'
import { someJob } from './testing/some-job.ts'
import type { Store } from './store.ts'

const folder = await mkdtemp(join(tmpdir(), 'sp-log-'))
after(() => rm(folder, { recursive: true }))
let count = 0

/** One store opened twice, as two processes open it, and the change log of the first. */
async function place(): Promise<{
  store: Store
  other: Store
  log: ChangeLog
  errors: unknown[]
  close: () => Promise<void>
}> {
  const path = join(folder, `${++count}.db`, 'platform.db')
  const store = await openSqliteStore(path)
  const other = await openSqliteStore(path)
  const errors: unknown[] = []
  const log = await ChangeLog.open(store, { error: (facts: unknown) => void errors.push(facts) })
  const close = async (): Promise<void> => {
    await log.close()
    await Promise.all([store.close(), other.close()])
  }
  return { store, other, log, errors, close }
}

const submit = (store: Store, owner = 'ada') => store.submit({ jobs: [someJob({ owner })], events: [] })

/** Fulfilled when the received change numbers equal the wanted ones. */
async function becomes(log: ChangeLog, seen: readonly number[], wanted: readonly number[]): Promise<void> {
  const deadline = AbortSignal.timeout(20_000)
  while (seen.length < wanted.length && !deadline.aborted)
    await log.next(AbortSignal.any([deadline, AbortSignal.timeout(50)]))
  assert.deepEqual(seen, wanted)
}

test('changes of this process and of another arrive in order, once each', async () => {
  const { store, other, log, close } = await place()
  const seen: number[] = []
  log.follow((changes) => void seen.push(...changes.map(({ number }) => number)))
  await Promise.all([submit(store), submit(other), submit(store)])
  await submit(other)
  await becomes(log, seen, [1, 2, 3, 4])
  await close()
})

test('changes of this process need no query, unless others lie between them', async () => {
  const { store, other, close: closeAll } = await place()
  let queries = 0
  const counting: Pick<Store, 'logId' | 'logHead' | 'changesAfter' | 'onCommit'> = {
    logId: store.logId,
    onCommit: (listener) => store.onCommit(listener),
    logHead: () => {
      queries += 1
      return store.logHead()
    },
    changesAfter: (...asked) => {
      queries += 1
      return store.changesAfter(...asked)
    },
  }
  const log = await ChangeLog.open(counting, { error: () => {} })
  // The timer asks for the head only.
  counting.logHead = () => store.logHead()
  queries = 0
  await submit(store)
  assert.deepEqual([log.head, queries], [1, 0])
  assert.deepEqual((await log.after(0)).changes, await store.changesAfter(0, 9))
  await submit(other)
  await submit(store)
  await log.refresh()
  assert.equal(log.head, 3)
  assert.ok(queries > 0)
  assert.deepEqual((await log.after(0)).changes, await store.changesAfter(0, 9))
  await log.close()
  await closeAll()
})

test('a reader that throws affects neither other readers, nor the write, nor its own next page', async () => {
  const { store, log, errors, close } = await place()
  const seen: number[] = []
  const refused: number[] = []
  log.onChange(() => {
    throw new Error('a listener fails')
  })
  log.follow((changes) => {
    refused.push(...changes.map(({ number }) => number))
    throw new Error('a reader fails')
  })
  log.follow((changes) => void seen.push(...changes.map(({ number }) => number)))
  assert.equal((await submit(store)).outcome, 'stored')
  await log.refresh()
  assert.equal((await submit(store)).outcome, 'stored')
  await becomes(log, seen, [1, 2])
  await becomes(log, refused, [1, 2])
  assert.ok(errors.length >= 3)
  await close()
})

test('a cursor continues from memory and from the store alike, for all users and for one', async () => {
  const { store, log, close } = await place()
  for (const owner of ['ada', 'bob', 'bob', 'ada']) await submit(store, owner)
  await log.refresh()
  // Opened after these changes: the changes are in the store only.
  const later = await ChangeLog.open(store, { error: () => undefined })
  await submit(store, 'bob')
  await later.refresh()
  await log.refresh()
  const numbers = (page: { changes: readonly StoredChange[] }) => page.changes.map(({ number }) => number)
  for (const one of [log, later]) {
    assert.deepEqual(numbers(await one.after(0)), [1, 2, 3, 4, 5])
    assert.deepEqual(numbers(await one.after(3)), [4, 5])
    assert.deepEqual(numbers(await one.after(0, 'ada')), [1, 4])
    const none = await one.after(4, 'ada')
    assert.deepEqual([none.changes, none.upTo], [[], 5], 'nothing of hers, and the cursor moves on')
    await assert.rejects(one.after(9), CursorTooOld)
  }
  await later.close()
  await close()
})

test('a failed read is retried', async () => {
  const { store, other, close } = await place()
  let fails = 0
  const broken = {
    ...store,
    logHead: async (): Promise<number> => {
      if (fails-- > 0) throw new Error('the disk is away')
      return store.logHead()
    },
  }
  const errors: unknown[] = []
  const log = await ChangeLog.open(broken, { error: (facts: unknown) => void errors.push(facts) })
  const seen: number[] = []
  log.follow((changes) => void seen.push(...changes.map(({ number }) => number)))
  fails = 2
  await submit(other)
  await becomes(log, seen, [1])
  assert.ok(errors.length >= 1)
  await log.close()
  await close()
})

test('a refresh waits for one read that begins after it, however many commits follow', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const changeOf = (number: number): StoredChange => ({ number, at: 1, kind: 'submitted', owner: 'ada', subject: 'a' })
  let commit: (changes: readonly StoredChange[]) => void = () => undefined
  const heads: ((head: number) => void)[] = []
  let isOpen = false
  const log = await ChangeLog.open(
    {
      logId: 'l',
      logHead: () => (isOpen ? new Promise((resolve) => heads.push(resolve)) : Promise.resolve(0)),
      changesAfter: async (number) => Array.from({ length: 9 - number }, (_, i) => changeOf(number + 1 + i)),
      onCommit: (listener) => {
        commit = listener
        return () => undefined
      },
    },
    { error: assert.fail },
  )
  isOpen = true
  const seen: number[] = []
  log.follow((changes) => void seen.push(...changes.map(({ number }) => number)))
  const early = log.refresh()
  const late = [log.refresh(), log.refresh()]
  assert.equal(heads.length, 1)
  // Commits of this process are added during a read. One of them comes after another process's, and asks for a read of its own.
  commit([changeOf(1)])
  commit([changeOf(2)])
  assert.equal(log.head, 2)
  commit([changeOf(4)])
  heads[0]?.(2)
  await early
  while (heads.length < 2) await new Promise((resolve) => setImmediate(resolve))
  commit([changeOf(5)])
  heads[1]?.(9)
  await Promise.all(late)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9])
  while (heads.length < 3) await new Promise((resolve) => setImmediate(resolve))
  heads[2]?.(9)
  await log.close()
  assert.equal(heads.length, 3)
})
