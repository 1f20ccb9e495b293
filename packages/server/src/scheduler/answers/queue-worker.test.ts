import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { pino } from 'pino'
import type { StoredJob } from '../../job/job.ts'
import { VirtualClock } from '../../lib/virtual-clock.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { someJob } from '../../store/testing/some-job.ts'
import { Queue } from '../queue.ts'
import type { FeedSizes } from './feed.ts'
import { AnswerUnavailable, QueueWorker, startThread } from './queue-worker.ts'

const scores = { start: { inside: 8, early: 1, late: 1 }, run: { inside: 0, early: 0, late: 0 } }
const holders = [{ kind: 'user', name: 'ada' }] as const
const asks = (cores: number) => ({
  resources: { cores: { request: cores, limit: cores }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true },
})

let clock: VirtualClock
let queue: Queue
let threads: Worker[]
let worker: QueueWorker

function open(sizes: FeedSizes = {}, heapMb?: number): void {
  const startCounted = (): Worker => {
    const thread = startThread(heapMb)
    threads.push(thread)
    return thread
  }
  worker = new QueueWorker({ queue, clock, log: pino({ level: 'silent' }), startThread: startCounted, sizes })
}

beforeEach(() => {
  clock = new VirtualClock(1_000)
  threads = []
  queue = new Queue(policyOf({}), clock.now())
  queue.setNodes([{ name: 'here', cores: 4, memoryGb: 16, gpus: 0 }])
  open()
})
afterEach(() => worker.close())

function fill(count: number): readonly StoredJob[] {
  const jobs = Array.from({ length: count }, () => someJob(asks(4)))
  queue.upsertJobs(jobs)
  queue.plan(clock.now())
  return jobs
}
const overview = { quotaHolders: holders, scores }
const waiting = async (): Promise<number> => {
  const { small, normal, large } = (await worker.ask('overview', overview)).waiting
  return small + normal + large
}

test('the first question starts the worker, and its answers are the queue’s, also after what changed since', async () => {
  const jobs = fill(300)
  assert.equal(worker.isRunning, false)
  const requireSame = async (job: StoredJob): Promise<void> => {
    const question = queue.whyQuestion(job, scores)
    assert.deepEqual(await worker.ask('why', question), queue.answer('why', question, clock.now()))
    assert.deepEqual(await worker.ask('overview', overview), queue.answer('overview', overview, clock.now()))
  }
  await requireSame(jobs[7] ?? assert.fail())
  queue.upsertJobs(jobs.slice(0, 100).map((job) => ({ ...job, state: 'cancelled' })))
  queue.upsertJobs([{ ...(jobs[100] ?? assert.fail()), state: 'starting', attempt: 1 }])
  queue.upsertAttempts([
    { id: `${jobs[100]?.id}-1`, jobId: jobs[100]?.id ?? '', number: 1, node: 'here', placedAt: clock.now() },
  ])
  queue.upsertHolder({ kind: 'user', name: 'ada', limits: { running: 1 }, setAt: 1 })
  queue.plan(clock.now())
  await requireSame(jobs[299] ?? assert.fail())
  assert.equal(await waiting(), 199)
  assert.equal(threads.length, 1)
})

test('a feed that fell behind begins anew, and questions on the way are answered from the new snapshot', async () => {
  open({ delivery: 10, unread: 1, waiting: 50 })
  fill(200)
  const first = waiting()
  // More events at once than may wait, while the first snapshot is on its way.
  fill(100)
  const second = waiting()
  assert.ok((await first) >= 200)
  assert.equal(await second, 300)
  const third = waiting()
  fill(100)
  const fourth = waiting()
  assert.ok((await third) >= 300)
  assert.equal(await fourth, 400)
  assert.equal(threads.length, 1)
})

test('it ends a minute after the last answer, and the next question starts it again', async () => {
  fill(3)
  assert.equal(await waiting(), 3)
  clock.advance(59_000)
  assert.equal(await waiting(), 3)
  clock.advance(59_000)
  assert.equal(worker.isRunning, true)
  assert.equal(await worker.ask('start', { jobId: 'none', outcomes: [] }, false), undefined)
  clock.advance(1_000)
  assert.equal(worker.isRunning, false, 'an unrequested question does not keep it')
  fill(3)
  assert.equal(await waiting(), 6)
  assert.equal(threads.length, 2)
})

test('where the thread is killed, the questions in flight fail, and the next starts a new one', async () => {
  fill(3)
  assert.equal(await waiting(), 3)
  const lost = [waiting(), waiting()]
  await threads[0]?.terminate()
  for (const each of lost) await assert.rejects(each, AnswerUnavailable)
  assert.equal(worker.isRunning, false)
  assert.equal(await waiting(), 3)
})

test('out of memory, it fails its questions, and nothing else', async () => {
  open({}, 8)
  fill(20_000)
  await assert.rejects(waiting(), AnswerUnavailable)
  assert.equal(worker.isRunning, false)
})

test('an error in an answer fails the question', async () => {
  fill(1)
  // @ts-expect-error - No such question.
  await assert.rejects(worker.ask('whence', {}), AnswerUnavailable)
  assert.equal(await waiting(), 1)
})

test('an answer that takes more than two minutes is given up', async () => {
  fill(1)
  const late = waiting()
  clock.advance(120_000)
  await assert.rejects(late, /no answer within 120 s/)
  assert.equal(await waiting(), 1)
})

test('closing ends the thread and refuses questions', async () => {
  fill(1)
  const lost = waiting()
  const [thread] = threads
  const ended = thread && once(thread, 'exit')
  await Promise.all([assert.rejects(lost, /the server is stopping/), worker.close()])
  await ended
  await assert.rejects(waiting(), AnswerUnavailable)
})
