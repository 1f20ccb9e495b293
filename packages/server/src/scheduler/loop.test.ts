import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { pino } from 'pino'
import type { AttemptSpec, Ending, Executor, Observed } from '../executor/executor.ts'
import { JobChanges } from '../job/changes.ts'
import { attemptId, type StoredJob } from '../job/job.ts'
import { announcing } from '../store/announcing.ts'
import { someJob } from '../store/store-contract.ts'
import type { Store } from '../store/store.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import { Loop } from './loop.ts'
import { policyOf } from './policy.ts'

/** An executor in memory whose attempts do what a test says. */
class ScriptedExecutor implements Pick<Executor, 'name' | 'nodes' | 'open' | 'start' | 'stop' | 'list' | 'forget'> {
  readonly name = 'scripted'
  readonly seen = new Map<string, Observed>()
  readonly starts: string[] = []
  readonly stops: string[] = []
  refuse: string | undefined
  #listener: () => void = () => {}

  nodes = () => Promise.resolve([{ name: 'here', cores: 2, memoryGb: 8, gpus: 0 }])
  open = () => Promise.resolve()
  list = () => Promise.resolve([...this.seen.values()])
  onEvent = () => {}
  onChange(listener: () => void) {
    this.#listener = listener
  }
  start({ id }: Pick<AttemptSpec, 'id'>) {
    if (id === this.refuse) return Promise.reject(new Error('no room'))
    this.starts.push(id)
    this.seen.set(id, { attemptId: id, phase: 'preparing' })
    return Promise.resolve()
  }
  stop(id: string) {
    this.stops.push(id)
    return Promise.resolve()
  }
  forget(id: string) {
    this.seen.delete(id)
    return Promise.resolve()
  }
  run(job: StoredJob) {
    const id = attemptId(job.id, 1)
    this.seen.set(id, { attemptId: id, phase: 'running', startedAt: 10 })
    this.#listener()
  }
  end(job: StoredJob, exitCode: number) {
    const id = attemptId(job.id, 1)
    const ending: Ending = { at: 20, exitCode, cause: { code: 'exited', message: `${exitCode}` }, stopped: false }
    this.seen.set(id, { attemptId: id, phase: 'ended', startedAt: 10, ending })
    this.#listener()
  }
}

let folder: string
let store: Store
let executor: ScriptedExecutor
let changes: JobChanges
let loop: Loop
let now = 1_000

async function openLoop() {
  changes = new JobChanges()
  store = announcing(await openSqliteStore(join(folder, 'db')), changes)
  const specOf = (job: StoredJob) => Promise.resolve({ id: attemptId(job.id, job.attempt) } as AttemptSpec)
  loop = new Loop({
    store,
    executor: executor as unknown as Executor,
    changes,
    policy: policyOf({}),
    specOf,
    log: pino({ enabled: false }),
    now: () => now,
  })
  await loop.open()
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sp-loop-'))
  executor = new ScriptedExecutor()
  now = 1_000
  await openLoop()
})
afterEach(async () => {
  await loop.close()
  await store.close()
  await rm(folder, { recursive: true })
})

/** Waits until the job is in the state; the store announces each change. */
async function becomes(job: StoredJob, state: StoredJob['state']): Promise<StoredJob> {
  for (;;) {
    const changed = new Promise((resolve) => changes.watch(job.id, resolve))
    const found = await store.job(job.id)
    if (found?.state === state) return found
    await changed
  }
}
const submit = (...jobs: StoredJob[]) => store.submit({ jobs, events: [] })

test('a job goes from submission to its recorded exit, and its evidence is let go', async () => {
  const job = someJob()
  await submit(job)
  await becomes(job, 'starting')
  executor.run(job)
  assert.equal((await becomes(job, 'running')).deadlineAt, 60_010)
  executor.end(job, 3)
  const ended = await becomes(job, 'failed')
  assert.equal(ended.exitCode, 3)
  const reasons = (await store.events(job.id)).map(({ reason }) => reason)
  assert.deepEqual(reasons, ['Placed', 'Started', 'Exited'])
  assert.equal((await store.attempts([job.id])).length, 1)
  await loop.close()
  assert.deepEqual(executor.starts, [`${job.id}-1`])
})

test('what does not fit waits with a reason, and starts when there is room', async () => {
  const jobs = [someJob(), someJob(), someJob(), someJob()]
  await submit(...jobs)
  const [first, second, third, fourth] = jobs as [StoredJob, StoredJob, StoredJob, StoredJob]
  await becomes(second, 'starting')
  assert.match(loop.queue.reason(third, now) ?? '', /It is next: 1 core and 1 GB of memory are kept for it on here/)
  assert.match(loop.queue.reason(fourth, now) ?? '', /1 core and 1 GB of memory/)
  assert.equal((await loop.why(fourth)).ahead?.jobs, 1)
  assert.deepEqual(loop.queue.allocated(), { cores: 2, memoryGb: 2, gpus: 0 })
  executor.end(first, 0)
  await becomes(third, 'starting')
  assert.deepEqual(
    executor.starts,
    [first, second, third].map(({ id }) => `${id}-1`),
  )
})

test('a cancelled job is told to end once, and ends as cancelled', async () => {
  const job = someJob()
  await submit(job)
  await becomes(job, 'starting')
  executor.run(job)
  await becomes(job, 'running')
  await store.step([
    { jobId: job.id, from: 'running', event: { type: 'cancelRequested' }, change: { stopReason: 'cancelled' } },
  ])
  await becomes(job, 'stopping')
  executor.run(job)
  executor.end(job, 143)
  await becomes(job, 'cancelled')
  assert.ok(executor.stops.length <= 1)
})

test('a job that runs for too long is ended with that cause', async () => {
  const job = someJob({ timeSeconds: 60 })
  await submit(job)
  await becomes(job, 'starting')
  executor.run(job)
  await becomes(job, 'running')
  now = 60_011
  loop.wake()
  await becomes(job, 'stopping')
  executor.end(job, 143)
  const ended = await becomes(job, 'failed')
  assert.equal(ended.cause?.code, 'time-limit')
})

test('an attempt that the executor does not take fails with its words', async () => {
  const job = someJob()
  executor.refuse = `${job.id}-1`
  await submit(job)
  const ended = await becomes(job, 'failed')
  assert.match(ended.cause?.message ?? '', /no room/)
})

test('a new server goes on where the last one was stopped, at any point', async () => {
  const jobs = [someJob(), someJob(), someJob()] as [StoredJob, StoredJob, StoredJob]
  const [first, second, third] = jobs
  await submit(...jobs)
  await becomes(second, 'starting')
  await loop.close()
  await store.close()
  // Meanwhile the first ended, and of the second the executor knows nothing: the server died before it told it.
  executor.end(first, 0)
  executor.seen.delete(`${second.id}-1`)
  executor.starts.length = 0
  await openLoop()
  await becomes(first, 'succeeded')
  await becomes(third, 'starting')
  await loop.close()
  assert.deepEqual(executor.starts.toSorted(), [`${second.id}-1`, `${third.id}-1`].toSorted())
})
