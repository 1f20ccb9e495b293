import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultPolicy } from '../../configuration/policy/policy-of.ts'
import { someJob } from '../../store/testing/some-job.ts'
import { SchedulerCache } from './scheduler-cache.ts'
import type { PlannerEvent } from './snapshot.ts'

const node = { name: 'n1', cores: 4, memoryGb: 16, gpus: 0 }

function cacheWithEvents(keepRunsMs = Infinity): { cache: SchedulerCache; takeEvents: () => readonly PlannerEvent[] } {
  const events: PlannerEvent[] = []
  return {
    cache: new SchedulerCache((event) => events.push(event), keepRunsMs, defaultPolicy),
    takeEvents: () => events.splice(0),
  }
}

test('replacing the nodes emits those that changed, came and went, and nothing where nothing changed', () => {
  const { cache, takeEvents } = cacheWithEvents()
  const other = { ...node, name: 'n2' }
  cache.setNodes([node, other])
  assert.deepEqual(takeEvents(), [
    { type: 'node', node },
    { type: 'node', node: other },
  ])
  cache.setNodes([node, other])
  assert.deepEqual(takeEvents(), [])
  const larger = { ...node, largestJob: { cores: 2, memoryGb: 8, gpus: 0 } }
  cache.setNodes([larger])
  assert.deepEqual(takeEvents(), [
    { type: 'nodeGone', name: 'n2' },
    { type: 'node', node: larger },
  ])
})

test('the settings of a quota holder are upserted, removed and replaced; each change is emitted once', () => {
  const { cache, takeEvents } = cacheWithEvents()
  const ada = { kind: 'user', name: 'ada', limits: { cores: 2 }, setAt: 1 } as const
  const sky = { kind: 'group', name: 'sky', limits: {}, weight: 2, setAt: 1 } as const
  cache.upsertHolder(ada)
  cache.upsertHolder(ada)
  cache.upsertHolder({ ...ada, limits: { cores: 3 }, setAt: 2 })
  assert.deepEqual(cache.settingsOf({ kind: 'user', name: 'ada' }), { limits: { cores: 3 } })
  assert.deepEqual(takeEvents(), [
    { type: 'user', name: 'ada', settings: { limits: { cores: 2 } } },
    { type: 'user', name: 'ada', settings: { limits: { cores: 3 } } },
  ])
  cache.setHolders([sky])
  cache.removeHolder({ kind: 'group', name: 'sky' })
  cache.removeHolder({ kind: 'group', name: 'sky' })
  assert.deepEqual(takeEvents(), [
    { type: 'user', name: 'ada', settings: undefined },
    { type: 'group', name: 'sky', settings: { limits: {}, weight: 2 } },
    { type: 'group', name: 'sky', settings: undefined },
  ])
})

test('a pending charge counts until it is undone, and replaces the stored share when it is committed', () => {
  const { cache, takeEvents } = cacheWithEvents()
  cache.setShares([{ user: 'ada', coreHours: 1, at: 0 }])
  takeEvents()
  const more = (hours: number) =>
    cache.charge({ user: 'ada' }, (share) => ({ user: 'ada', coreHours: (share?.coreHours ?? 0) + hours, at: 0 }))
  const usage = () => takeEvents().map((event) => event.type === 'usage' && event.usage.coreHours)
  const [first, second] = [more(10), more(100)]
  assert.deepEqual(usage(), [11, 111])
  first.undo()
  second.commit()
  first.undo()
  assert.deepEqual(usage(), [101])
  assert.deepEqual([...cache.shares()], [{ user: 'ada', coreHours: 101, at: 0 }])
  cache.setShares([])
  assert.deepEqual(usage(), [0])
})

test('many waiting jobs get a new estimate in pieces, also one that a later run changed meanwhile', () => {
  const { cache, takeEvents } = cacheWithEvents()
  const jobs = Array.from({ length: 2_500 }, (_, i) => someJob({ id: `a${i}`, seq: i, timeSeconds: 3600 }))
  cache.upsertJobs(jobs)
  takeEvents()
  const estimates = () => takeEvents().map((event) => event.type === 'queued' && event.job.estimateSeconds)
  const run = (seconds: number) => cache.addRun(someJob({ id: 'done' }), { endedAt: 1, seconds })
  const pieces: (readonly (number | false)[])[] = []
  const finish = () => {
    for (let piece = estimates(); piece.length > 0; piece = estimates()) {
      pieces.push(piece)
      cache.estimateSome()
    }
  }
  for (let i = 0; !cache.isEstimating && i < 10; i++) run(60)
  finish()
  assert.deepEqual(
    pieces.map((piece) => piece.length),
    [1_000, 1_000, 500],
  )
  assert.deepEqual([...new Set(pieces.flat())], [60])
  const last = Array.from({ length: 60 }, () => run(600)).at(-1)
  while (cache.isEstimating) cache.estimateSome()
  const latest = takeEvents().flatMap((event) => (event.type === 'queued' ? [event.job] : []))
  const now = new Map(latest.map(({ id, estimateSeconds }) => [id, estimateSeconds]))
  assert.equal(now.size, jobs.length)
  assert.deepEqual([...new Set(now.values())], [600])
  assert.equal(last?.stored.runs.length, 50)
})

test('run histories stay as few as the store keeps', () => {
  const day = 86_400_000
  const { cache } = cacheWithEvents(10 * day)
  for (let i = 0; i < 100_000; i++) cache.addRun(someJob({ cmd: [`program${i}`] }), { endedAt: i * 10_000, seconds: 1 })
  // In ten days 86,400 runs of other programs end; histories are pruned every 1,000 runs.
  assert.ok(cache.runHistories <= 86_400 + 1_000, `${cache.runHistories}`)
})
