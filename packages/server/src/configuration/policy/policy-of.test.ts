import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '@science-platform/contract'
import { longestTimeSeconds } from '../../scheduler/rules/longest-time.ts'
import { fitsSomeNode, infeasibleLimit } from '../../scheduler/rules/feasibility.ts'
import { InvalidPolicy } from './invalid-policy.ts'
import { runTimeStep } from '../../scheduler/cache/lane.ts'
import { classOf } from '../../scheduler/rules/job-class.ts'
import { defaultPolicy, policyOf, requireQuotaSettings } from './policy-of.ts'
import type { LimitsByHour } from './policy.ts'

const refused = (act: () => unknown, message: RegExp) =>
  assert.throws(act, (error) => error instanceof InvalidPolicy && message.test(`${error.message}. ${error.hint}`))

test('what is left out has its default', () => {
  assert.deepEqual(policyOf({}), defaultPolicy)
  assert.equal(policyOf({ points: { groupShare: 0 } }).points.userShare, 12)
})

test('the planner knows the longest time limit', () => {
  assert.equal(longestTimeSeconds, limits.timeSeconds)
})

test('numbers outside their range are refused with their key and the range', () => {
  for (const halfLifeHours of [0, -1, Number.NaN, 1e9, Infinity])
    refused(() => policyOf({ halfLifeHours }), /^halfLifeHours: it is .* Use a number from 0.001 to 87600/)
  refused(() => policyOf({ limits: { user: { cores: -1 } } }), /^user.cores: it is -1.*Leave it out for no limit/)
  refused(
    () => policyOf({ limits: { group: { offPeak: { running: 1.5 } } } }),
    /^group.offPeak.running.*a whole number/,
  )
  refused(() => policyOf({ points: { groupShare: Number.NaN } }), /^points.groupShare: it is NaN/)
  refused(() => policyOf({ backfill: { confidence: 0.2 } }), /^backfill.confidence: it is 0.2. Use a number from 0.5/)
  refused(
    () => policyOf({ classes: { small: { cores: 16, memoryGb: 16 } } }),
    /^classes: a small job may be as large as a large one/,
  )
  refused(() => requireQuotaSettings('ada', { weight: -2 }), /^ada.weight: it is -2/)
  refused(() => requireQuotaSettings('ada', { limits: { gpus: 1e12 } }), /^ada.gpus/)
  assert.doesNotThrow(() => policyOf({ limits: { user: { cores: 0, running: 0 } } }))
})

test('by default a job is small up to 4 cores and 16 GiB, and large from 16 cores or 64 GiB', () => {
  const of = (cores: number, memoryGb: number) => classOf({ cores, memoryGb, gpus: 0 }, defaultPolicy)
  assert.deepEqual(
    [of(4, 16), of(4, 17), of(5, 1), of(15, 63), of(16, 1), of(1, 64)],
    ['small', 'normal', 'normal', 'normal', 'large', 'large'],
  )
})

test('run times are rounded up by no more than a quarter', () => {
  for (const seconds of [0, 0.5, 1, 59, 60, 3600, 86_400, 1_209_600, 1e8]) {
    const step = runTimeStep(seconds)
    assert.ok(step >= seconds && step <= Math.max(1, Math.ceil(seconds * 1.25) + 1), `${seconds} became ${step}`)
    assert.equal(runTimeStep(step), step)
  }
})

test('a job is infeasible where no node could hold it, and where a limit stops it for ever', () => {
  const nodes = [
    { name: 'a', cores: 16, memoryGb: 64, gpus: 0 },
    { name: 'b', cores: 4, memoryGb: 256, gpus: 2, gpuKind: 'a100' },
  ]
  assert.equal(fitsSomeNode({ cores: 16, memoryGb: 64, gpus: 0 }, nodes), true)
  assert.equal(fitsSomeNode({ cores: 16, memoryGb: 65, gpus: 0 }, nodes), false, 'no node has both')
  assert.equal(fitsSomeNode({ cores: 1, memoryGb: 1, gpus: 1, gpuKind: 'h200' }, nodes), false)
  assert.equal(fitsSomeNode({ cores: 1, memoryGb: 1, gpus: 2 }, nodes), true)
  const asks = { cores: 32, memoryGb: 4, gpus: 0 }
  const ada = { holder: 'user', name: 'ada' } as const
  const [always, offPeak, both] = [[false], [true], [false, true]]
  assert.equal(infeasibleLimit(asks, ada, { cores: 16 }, both)?.on, 'cores')
  assert.equal(infeasibleLimit(asks, { ...ada, settings: { limits: { running: 0 } } }, {}, both)?.on, 'running')
  assert.equal(infeasibleLimit(asks, ada, { gpus: 0 }, both), undefined)
  const moreThen = { cores: 16, offPeak: { cores: 32 } }
  const lessThen = { cores: 32, offPeak: { cores: 16 } }
  const hits = (limits: LimitsByHour) =>
    [always, offPeak, both].map((times) => infeasibleLimit(asks, ada, limits, times)?.limit)
  assert.deepEqual(hits(moreThen), [16, undefined, undefined])
  assert.deepEqual(hits(lessThen), [undefined, 16, undefined])
})
