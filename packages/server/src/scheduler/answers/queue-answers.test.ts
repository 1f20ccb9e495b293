import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { pino } from 'pino'
import { VirtualClock } from '../../lib/virtual-clock.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { someJob } from '../../store/testing/some-job.ts'
import { Queue } from '../queue.ts'
import { QueueAnswers } from './queue-answers.ts'

const noOutcomes = { inside: 0, early: 0, late: 0 }
const ada = {
  name: 'ada',
  uid: 1,
  gid: 1,
  admin: false,
  groups: [{ name: 'survey', gid: 2 }],
}

let clock: VirtualClock
let queue: Queue
let answers: QueueAnswers
let syncs: number

beforeEach(() => {
  clock = new VirtualClock(1_000)
  queue = new Queue(policyOf({}), clock.now())
  queue.setNodes([{ name: 'here', cores: 1, memoryGb: 4, gpus: 0 }])
  syncs = 0
  answers = new QueueAnswers({
    loop: {
      queue,
      caughtUp: async () => void syncs++,
      reason: ({ state }) => (state === 'starting' ? 'The registry is slow.' : undefined),
    },
    store: { estimateScores: async () => ({ start: noOutcomes, run: noOutcomes }) },
    log: pino({ level: 'silent' }),
    clock,
  })
})
afterEach(() => answers.close())

test('why and the overview come from the queue as committed; the forecast that is given is scored', async () => {
  const blocking = someJob({ state: 'running', attempt: 1, startedAt: 0, timeSeconds: 600 })
  queue.upsertJobs([blocking])
  queue.upsertAttempts([{ id: `${blocking.id}-1`, jobId: blocking.id, number: 1, node: 'here', placedAt: 0 }])
  const job = someJob()
  queue.upsertJobs([job])
  queue.plan(clock.now())
  const why = await answers.why(job, 'ada')
  assert.ok(why.expectedStart)
  assert.equal(why.summary, queue.reason(job, clock.now()))
  assert.equal(
    queue.jobToForecast(() => 0),
    undefined,
    'its forecast is known',
  )
  const { running, holders } = await answers.overview(ada)
  assert.deepEqual([running, holders.map(({ kind, name }) => `${kind} ${name}`)], [1, ['user ada', 'group survey']])
  assert.equal(syncs, 2)
})

test('of a job that is being prepared, why says what that waits for', async () => {
  assert.equal((await answers.why(someJob({ state: 'starting', attempt: 1 }), 'ada')).summary, 'The registry is slow.')
})
