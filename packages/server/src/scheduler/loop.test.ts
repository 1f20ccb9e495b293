import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { exit, forever, wait, type Behaviour } from '../executor/simulated/behaviour.ts'
import { SimulatedCluster, type Fact } from '../executor/simulated/simulated-cluster.ts'
import type { Clock } from '../lib/clock.ts'
import { attemptId, type StoredJob } from '../job/job.ts'
import { someJob } from '../store/testing/some-job.ts'
import { VirtualClock } from '../lib/virtual-clock.ts'
import { CallFailed } from './testing/fault-injector.ts'
import { whyIn } from './testing/answers.ts'
import { plainSpec } from './testing/plain-spec.ts'
import { Server } from './testing/server.ts'

const noOutcomes = { inside: 0, early: 0, late: 0 }
const noScores = { start: noOutcomes, run: noOutcomes }

let folder: string
let clock: VirtualClock
let cluster: SimulatedCluster
let behaviours: Map<string, Behaviour>
let facts: Fact[]
let server: Server

const openServer = async () => {
  server = await Server.begin({ folder, clock, cluster, policy: {} })
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sp-loop-'))
  clock = new VirtualClock(1_000)
  behaviours = new Map()
  facts = []
  cluster = new SimulatedCluster({
    clock,
    nodes: [{ name: 'here', cores: 2, memoryGb: 8, gpus: 0 }],
    behaviourOf: ({ jobId }) => {
      const behaviour = behaviours.get(jobId)
      if (behaviour === undefined) throw new Error('no room')
      return behaviour
    },
    onFact: (fact) => facts.push(fact),
  })
  await openServer()
})
afterEach(async () => {
  await server.end()
  await rm(folder, { recursive: true })
})

/** Lets time pass until the job is in the state. */
async function becomes(job: StoredJob, state: StoredJob['state']): Promise<StoredJob> {
  for (let moments = 0; moments < 1000; moments++) {
    await server.loop.resting()
    const found = await server.store.job(job.id)
    if (found?.state === state) return found
    clock.advanceTo(clock.next() ?? clock.now())
  }
  throw new Error(`it has not become ${state} by ${clock.now()}`)
}
/** A job that does so once it is started. */
const does = (behaviour: Behaviour, parts: Partial<StoredJob> = {}): StoredJob => {
  const job = someJob(parts)
  behaviours.set(job.id, behaviour)
  return job
}
const submit = (...jobs: StoredJob[]) => server.store.submit({ jobs, events: [] })
/** The attempts to which something happened, in order. */
const attemptsThat = (type: Fact['type']): string[] =>
  facts.filter((fact) => fact.type === type).map(({ spec }) => spec.id)
const firstOf = (jobs: readonly StoredJob[]): string[] => jobs.map(({ id }) => attemptId(id, 1))

test('a job goes from submission to its recorded exit, and its evidence is let go', async () => {
  const job = does({ command: [wait(20), exit(3)] })
  await submit(job)
  await becomes(job, 'starting')
  assert.equal((await becomes(job, 'running')).deadlineAt, 61_000)
  const ended = await becomes(job, 'failed')
  assert.deepEqual([ended.exitCode, ended.endedAt], [3, 1_020])
  const reasons = (await server.store.events(job.id)).map(({ reason }) => reason)
  assert.deepEqual(reasons, ['Placed', 'Started', 'Exited'])
  assert.equal((await server.store.attempts([job.id])).length, 1)
  await server.loop.resting()
  assert.deepEqual(attemptsThat('taken'), firstOf([job]))
  assert.deepEqual(attemptsThat('forgotten'), firstOf([job]))
})

test('what does not fit waits with a reason, and starts when there is room', async () => {
  const [first, second] = [does({ command: [wait(5_000)] }), does({ command: [forever] })]
  const [third, fourth] = [does({ command: [forever] }), does({ command: [forever] })]
  await submit(first, second, third, fourth)
  await becomes(second, 'starting')
  const now = clock.now()
  assert.match(
    server.loop.queue.reason(third, now) ?? '',
    /It waits for 1 core and 1 GiB of memory: the one node that could hold it has 0 cores and 6 GiB of memory free/,
  )
  assert.match(server.loop.queue.reason(fourth, now) ?? '', /1 core and 1 GiB of memory/)
  assert.equal(whyIn(server.loop.queue, fourth, now, noScores).ahead?.jobs, 1)
  assert.deepEqual(server.loop.queue.allocated(), { cores: 2, memoryGb: 2, gpus: 0 })
  await becomes(third, 'starting')
  assert.equal(clock.now(), 6_000, 'as soon as there is room')
  assert.deepEqual(attemptsThat('taken'), firstOf([first, second, third]))
})

test('a job whose registry is away holds no capacity, is tried again by its place in the queue, and outlives a restart', async () => {
  const away = { code: 'image-unreachable', message: 'The registry r.test refuses more downloads for now.' } as const
  const all = { cores: { request: 2, limit: 2 }, memoryGb: { request: 8, limit: 8 }, gpus: 0, fixed: true }
  const waiting = does({ failure: away, retryMs: 40_000, command: [] }, { resources: all })
  const other = does({ command: [wait(30_000)] }, { resources: all })
  const later = does({ command: [wait(30_000)] }, { resources: all })
  await submit(waiting, other, later)
  await becomes(other, 'running')
  const returned = await server.store.job(waiting.id)
  assert.deepEqual([returned?.state, returned?.notBefore], ['queued', 41_000])
  const text = 'It is tried again in 40 seconds, and given up at 1970-01-01 00:10:01 UTC.'
  assert.equal(server.loop.reason(returned as StoredJob), `${away.message} ${text}`)
  const why = whyIn(server.loop.queue, returned as StoredJob, clock.now(), noScores)
  assert.deepEqual(why.reason, {
    kind: 'not-before',
    until: '1970-01-01T00:00:41.000Z',
    cause: away,
    givenUpAt: '1970-01-01T00:10:01.000Z',
  })
  assert.deepEqual(why.sooner, [], 'another request would meet the same registry')
  const events = (await server.store.events(waiting.id)).map(({ reason, message }) => [reason, message])
  assert.deepEqual(events.at(-1), ['Returned', `${away.message} ${text}`])

  await server.end()
  behaviours.set(waiting.id, { command: [] })
  await openServer()
  await becomes(later, 'running')
  assert.equal(clock.now(), 31_000, 'the registry does not delay others')
  const ended = await becomes(waiting, 'succeeded')
  assert.deepEqual([ended.startedAt, ended.attempt, ended.postponed], [61_000, 2, undefined])
})

test('a job whose registry stays away fails in the end, with the cause and for how long it was tried', async () => {
  const away = { code: 'image-unreachable', message: 'The registry r.test does not answer.' } as const
  const job = does({ failure: away, retryMs: 45_000, command: [] })
  await submit(job)
  const ended = await becomes(job, 'failed')
  assert.deepEqual(ended.cause, { ...away, message: `${away.message} It was tried again for 10 minutes.` })
  assert.deepEqual([ended.endedAt, ended.attempt], [601_000, 15])
})

test('what is being prepared says what it waits for', async () => {
  const job = does({ prepareMs: 60_000, waiting: 'The registry is slow.', command: [] })
  await submit(job)
  const starting = await becomes(job, 'starting')
  clock.advance(2_000)
  await server.loop.resting()
  assert.equal(server.loop.reason(starting), 'The registry is slow.')
  assert.deepEqual(
    (await server.store.events(job.id)).map(({ reason }) => reason),
    ['Placed', 'Pulling'],
  )
})

test('a cancelled job is told to end once, and ends as cancelled', async () => {
  const job = does({ command: [forever], onSignal: { TERM: [wait(5_000), exit(143)] } }, { graceSeconds: 10 })
  await submit(job)
  await becomes(job, 'running')
  await server.store.step([
    { jobId: job.id, at: 1, from: 'running', event: { type: 'cancelRequested' }, fields: { stopReason: 'cancelled' } },
  ])
  await becomes(job, 'stopping')
  await becomes(job, 'cancelled')
  assert.equal(clock.now(), 6_000, 'several cycles later')
  assert.deepEqual(attemptsThat('stopAsked'), firstOf([job]))
})

test('a job that runs for too long is ended with that cause, as soon as its time is over', async () => {
  const job = does({ command: [forever] }, { timeSeconds: 60 })
  await submit(job)
  await becomes(job, 'running')
  const ended = await becomes(job, 'failed')
  assert.deepEqual([ended.cause?.code, ended.endedAt], ['time-limit', 61_000])
})

test('a clock that is set forward ends no job before it has had its time', async () => {
  let ahead = 0
  const stepping: Clock = {
    now: () => clock.now() + ahead,
    elapsed: () => clock.elapsed(),
    at: (instant, run) => clock.at(instant - ahead, run),
  }
  await server.end()
  server = await Server.begin({ folder, clock: stepping, cluster, policy: {} })
  const job = does({ command: [forever] }, { timeSeconds: 60 })
  await submit(job)
  await becomes(job, 'running')
  await server.loop.resting()
  ahead = 36_000_000
  server.loop.wake()
  const ended = await becomes(job, 'failed')
  assert.equal(ended.cause?.code, 'time-limit')
  assert.equal(clock.now(), 61_000)
  const warnings = (await server.store.events(job.id)).filter(({ reason }) => reason === 'TimeLimitNear')
  assert.deepEqual(
    warnings.map(({ at }) => at - ahead),
    [55_000],
  )
})

test('an attempt that the executor does not take fails with its words', async () => {
  const job = someJob()
  await submit(job)
  const ended = await becomes(job, 'failed')
  assert.match(ended.cause?.message ?? '', /no room/)
})

test('attempts of another database are listed, and neither ended nor forgotten by this server or the next', async () => {
  const [running, ended] = [does({ command: [forever] }), does({ command: [exit(0)] })]
  for (const job of [running, ended]) cluster.take(plainSpec({ ...job, attempt: 1 }))
  const own = does({ command: [wait(20), exit(3)] })
  await submit(own)
  await becomes(own, 'failed')
  const foreign = firstOf([running, ended])
  for (let servers = 0; servers < 2; servers++) {
    await server.loop.resting()
    assert.deepEqual(
      server.loop.unrecorded().map(({ attemptId: id, phase }) => [id, phase]),
      [
        [foreign[0], 'running'],
        [foreign[1], 'ended'],
      ],
    )
    await server.end()
    await openServer()
  }
  assert.deepEqual(attemptsThat('forgotten'), firstOf([own]))
})

test('a new server goes on where the last one was stopped, at any point', async () => {
  const first = does({ command: [wait(500)] })
  const second = does({ prepareMs: 1_000, command: [] })
  const third = does({ command: [] })
  await submit(first, second, third)
  await becomes(first, 'running')
  await server.end()
  // Meanwhile the first ends, and of the second the executor knows nothing: the server prepared it.
  clock.advance(1_000)
  assert.deepEqual(attemptsThat('ended'), firstOf([first]))
  assert.deepEqual(attemptsThat('dropped'), firstOf([second]))
  await openServer()
  await becomes(first, 'succeeded')
  await becomes(third, 'succeeded')
  await becomes(second, 'succeeded')
  assert.deepEqual(attemptsThat('taken'), firstOf([first, second, second, third]))
  assert.deepEqual(attemptsThat('started').toSorted(), firstOf([first, second, third]).toSorted())
})

test('a warning that no process handles is not sent, and an event says so', async () => {
  const job = does({ command: [forever] }, { timeSeconds: 60, signal: { name: 'USR1', secondsBefore: 10 } })
  await submit(job)
  const ended = await becomes(job, 'failed')
  assert.deepEqual([ended.exitCode, ended.cause?.code], [143, 'time-limit'], 'it ran until its time was over')
  assert.deepEqual(attemptsThat('warned'), [])
  const events = await server.store.events(job.id)
  assert.match(
    events.find(({ reason }) => reason === 'WarningSignalNotSent')?.message ?? '',
    /^SIGUSR1 was not sent: no process of the job has a handler/,
  )
})

test('a warning that could not be stored is given all the same, once', async () => {
  const job = does(
    { command: [forever], onSignal: { USR1: [] } },
    { timeSeconds: 60, signal: { name: 'USR1', secondsBefore: 10 } },
  )
  await submit(job)
  await becomes(job, 'running')
  const { store } = server
  const addEvents = store.addEvents.bind(store)
  Object.assign(store, {
    addEvents: () => {
      Object.assign(store, { addEvents })
      return Promise.reject(new CallFailed('the disk is full'))
    },
  })
  await becomes(job, 'failed')
  assert.deepEqual(attemptsThat('warned'), firstOf([job]))
  const reasons = (await server.store.events(job.id)).map(({ reason }) => reason)
  assert.equal(reasons.filter((reason) => reason === 'WarningSignal').length, 1)
})
