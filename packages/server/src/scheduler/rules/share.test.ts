import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import { defaultPolicy } from '../../configuration/policy/policy-of.ts'
import { chargedCores, decayed, usageAfter } from './share.ts'

const hour = 3_600_000
const at = Date.UTC(2026, 10, 23, 18)
const needs = { cores: 4, memoryGb: 8, gpus: 0 }
const ended = { user: 'ada', needs, placedAt: at, endedAt: at + 2 * hour }

test('a job is charged for the most of its cores, memory and GPUs', () => {
  assert.equal(chargedCores(needs, defaultPolicy), 4)
  assert.equal(chargedCores({ ...needs, memoryGb: 64 }, defaultPolicy), 16)
  assert.equal(chargedCores({ ...needs, gpus: 2 }, defaultPolicy), 32)
})

test('usage halves with every half-life and does not grow when the clock goes back', () => {
  const usage = { coreHours: 8, at }
  assert.equal(decayed(usage, at + 168 * hour, 168), 4)
  assert.equal(decayed(usage, at - hour, 168), 8)
  assert.equal(decayed(usage, Number.MAX_SAFE_INTEGER, 0.001), 0)
})

test('an ending adds its core-hours to the decayed usage', () => {
  const first = usageAfter(undefined, ended, defaultPolicy, undefined)
  assert.deepEqual(first, { user: 'ada', coreHours: 8, at: at + 2 * hour })
  const later = { ...ended, placedAt: at + 169 * hour, endedAt: at + 170 * hour }
  assert.equal(usageAfter(first, later, defaultPolicy, undefined).coreHours, 4 + 4)
  const backwards = { ...ended, placedAt: at + hour, endedAt: at }
  assert.equal(usageAfter(first, backwards, defaultPolicy, undefined).coreHours, 8)
})

test('off-peak hours are charged less', () => {
  const offPeak = new OffPeakHours({ days: ['mon'], from: '19:00', to: '20:00', weekends: false, timezone: 'UTC' })
  assert.equal(usageAfter(undefined, ended, defaultPolicy, offPeak).coreHours, 4 + 2)
})
