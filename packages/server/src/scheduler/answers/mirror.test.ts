import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StoredJob } from '../../job/job.ts'
import { someJob } from '../../store/testing/some-job.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { eventsOf, type Snapshot } from '../cache/snapshot.ts'
import { placementsPerPlan, PlannerPair } from '../forecast/planner-pair.ts'
import { Queue } from '../queue.ts'
import { anySnapshot } from '../testing/arbitrary-queue.ts'
import { anyStep, eventOf } from '../testing/arbitrary-steps.ts'
import { Model } from '../testing/model.ts'
import { type FeedItem, Mirror } from './mirror.ts'
import { answer, type Answers, type QuestionKind, type Questions } from './questions.ts'

const hour = 3_600_000
const scores = { start: { inside: 8, early: 1, late: 1 }, run: { inside: 1, early: 0, late: 0 } }
const asks = (cores: number) => ({
  resources: { cores: { request: cores, limit: cores }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true },
})
const policy = policyOf({
  limits: { user: { cores: 6 }, group: {} },
  offPeak: { days: ['mon'], from: '18:00', to: '08:00', weekends: true, timezone: 'UTC' },
})
const holders = [
  { kind: 'user', name: 'ada' },
  { kind: 'group', name: 'sky' },
] as const

/** A queue with jobs of every state, on nodes that may queue jobs themselves. */
function filled(queue: Queue, queuesJobs: boolean): readonly StoredJob[] {
  const largestJob = queuesJobs ? { largestJob: { cores: 4, memoryGb: 16, gpus: 0 } } : {}
  queue.setNodes([{ name: 'n1', cores: 8, memoryGb: 64, gpus: 0, ...largestJob }])
  queue.upsertHolder({ kind: 'user', name: 'bob', limits: { running: 1 }, setAt: 1 })
  queue.setShares([{ user: 'ada', group: 'sky', coreHours: 10, at: 0 }])
  const active = (['running', 'starting'] as const).map((state) =>
    someJob({ ...asks(3), state, attempt: 1, group: 'sky', ...(state === 'running' ? { startedAt: 1000 } : {}) }),
  )
  queue.upsertJobs(active)
  queue.upsertAttempts(active.map(({ id }) => ({ id: `${id}-1`, jobId: id, number: 1, node: 'n1', placedAt: 500 })))
  const queued = [
    someJob(asks(4)),
    someJob({ ...asks(1), owner: 'bob', after: 2 * hour }),
    someJob({ ...asks(2), when: 'off-peak' }),
  ]
  queue.upsertJobs(queued)
  return [...active, ...queued]
}

/** A mirror that has received what a worker would, as a structured clone carries it. */
function mirrorOf(snapshot: Snapshot): { readonly take: (item: FeedItem) => ReturnType<Mirror['take']> } {
  const mirror = new Mirror()
  const take = (item: FeedItem): ReturnType<Mirror['take']> => mirror.take(structuredClone(item))
  take({ type: 'begin', now: snapshot.now, policy: snapshot.policy })
  for (const event of eventsOf(snapshot)) take(event)
  return { take }
}

/** What the mirror of a queue answers. */
function askMirror<K extends QuestionKind>(
  { take }: ReturnType<typeof mirrorOf>,
  queue: Pick<Queue, 'reservations'>,
  kind: K,
  question: Questions[K],
  now: number,
): Answers[K] {
  const asked = { type: 'question', id: 1, kind, question, now, reservations: queue.reservations() } as FeedItem
  return take(asked)?.answer as Answers[K]
}

for (const queuesJobs of [false, true]) {
  const where = `on nodes that ${queuesJobs ? 'queue jobs' : 'do not queue jobs'}`

  test(`the mirror of a queue answers as the queue does, ${where}`, () => {
    const queue = new Queue(policy, 0)
    const jobs = filled(queue, queuesJobs)
    queue.plan(hour)
    const mirror = mirrorOf(queue.snapshot())
    const overview = { quotaHolders: holders, scores }
    assert.deepEqual(askMirror(mirror, queue, 'overview', overview, hour), queue.answer('overview', overview, hour))
    for (const job of jobs) {
      const question = queue.whyQuestion(job, scores)
      const found = askMirror(mirror, queue, 'why', question, hour)
      assert.deepEqual(found, queue.answer('why', question, hour), job.state)
      assert.equal(found.given !== undefined, found.why.expectedStart !== undefined)
    }
  })

  test(`a mirror that receives the events of a queue answers as the queue does, ${where}`, () => {
    const queue = new Queue(policy, 0)
    const mirror = mirrorOf(queue.snapshot())
    const stop = queue.onEvent((event) => {
      mirror.take(event)
    })
    const jobs = filled(queue, queuesJobs)
    queue.plan(hour)
    for (const job of jobs) {
      const question = queue.whyQuestion(job, scores)
      assert.deepEqual(askMirror(mirror, queue, 'why', question, hour), queue.answer('why', question, hour))
    }
    const before = queue.answer('overview', { quotaHolders: holders, scores }, hour).waiting
    stop()
    queue.upsertJobs(jobs.map((job) => ({ ...job, state: 'cancelled' })))
    const after = askMirror(mirror, queue, 'overview', { quotaHolders: holders, scores }, hour).waiting
    assert.deepEqual(after, before, 'it receives no events any more')
  })
}

/** As it comes out of a worker thread: objects have the plain prototype. */
const copied = <T>(value: T): T => structuredClone(value)

/** A stored job of which only the planner's part matters. */
const storedAs = (id: string, state: StoredJob['state'], policy: Policy): Questions['why'] => ({
  job: someJob({ id, state }),
  expectation: undefined,
  outcomes: [],
  scores,
  policy,
})

test('after any events a mirror answers as the planners that decide do', () => {
  fc.assert(
    fc.property(anySnapshot, fc.array(anyStep, { maxLength: 40 }), fc.nat(40), (first, steps, begins) => {
      const planners = new PlannerPair(first)
      const model = new Model(first)
      let mirror: ReturnType<typeof mirrorOf> | undefined
      let now = first.now
      for (const [i, step] of [...steps, lastPlan].entries()) {
        // The worker starts at any time.
        if (mirror === undefined && (i >= begins || step === lastPlan))
          mirror = mirrorOf(planners.deciding.copiedSnapshot())
        if (step.type === 'clock') now += step.seconds * 1000
        const event = eventOf(step, model)
        const events = event === undefined ? [] : [event]
        if (step.type === 'plan') {
          const plan = planners.deciding.plan(now, placementsPerPlan)
          model.planned(plan)
          for (const { job, node } of plan.placements)
            events.push({ type: 'placed', job: { ...job, node, placedAt: now } })
        }
        for (const each of events) {
          planners.apply(each)
          model.apply(each)
          mirror?.take(each)
        }
        if (step.type !== 'plan' || mirror === undefined) continue
        planners.deciding.plan(now, placementsPerPlan)
        const queue = { reservations: () => planners.deciding.reservations() }
        const overview = { quotaHolders: holders, scores }
        assert.deepEqual(
          askMirror(mirror, queue, 'overview', overview, now),
          copied(answer(planners, 'overview', overview, now)),
        )
        const { policy } = planners.deciding.snapshot()
        for (const { id } of model.queued().slice(0, 3)) {
          const why = storedAs(id, 'queued', policy)
          assert.deepEqual(askMirror(mirror, queue, 'why', why, now), copied(answer(planners, 'why', why, now)), id)
        }
        for (const { id } of model.active().slice(0, 1)) {
          const why = storedAs(id, 'running', policy)
          assert.deepEqual(askMirror(mirror, queue, 'why', why, now), copied(answer(planners, 'why', why, now)), id)
        }
      }
    }),
    { numRuns: 60 },
  )
})

const lastPlan = { type: 'plan', isCommitted: true, most: Infinity } as const

test('a mirror that got no snapshot refuses events', () => {
  assert.throws(() => new Mirror().take({ type: 'gone', id: 'a' }), /begins with gone/)
})
