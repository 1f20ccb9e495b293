import assert from 'node:assert/strict'
import { test } from 'node:test'
import { someJob } from '../../store/testing/some-job.ts'
import type { Modification } from './counterfactuals.ts'
import { adviceOf, suitsRuns } from './advice.ts'

const job = someJob({
  resources: { cores: { request: 8, limit: 8 }, memoryGb: { request: 32, limit: 32 }, gpus: 2, fixed: true },
})
const runs = { runs: 20, seconds: [60, 300, 1100], peakBytes: 3.1 * 2 ** 30 }
const advice = (modification: Modification, expectation?: typeof runs) =>
  adviceOf([{ modification, node: 'n1' }], job, expectation)[0]
const needs = { cores: 8, memoryGb: 32, gpus: 2 }

test('advice names the options to change, and the past runs that matter for them', () => {
  assert.equal(
    advice({ needs: { ...needs, memoryGb: 8 } }, runs)?.message,
    'With 8 GiB of memory it would start now; its last 20 runs peaked at 3.1 GiB.',
  )
  assert.equal(advice({ needs: { ...needs, cores: 1 } }, runs)?.message, 'With 1 core it would start now.')
  assert.equal(advice({ anyHour: true })?.message, 'Without --when off-peak it would start now.')
  assert.deepEqual(advice({ atOnce: true, needs: { cores: 4, memoryGb: 14, gpus: 1 }, limitSeconds: 1200 }, runs), {
    change: { cores: 4, memoryGb: 14, gpus: 1, timeSeconds: 1200, after: null },
    startsNow: true,
    message:
      'Without --after and with 4 cores, 14 GiB of memory, 1 GPU and --time 20m it would start now; its last 20 runs peaked at 3.1 GiB and took at most 18 minutes.',
  })
})

test('a modification below what past runs needed does not suit', () => {
  assert.equal(suitsRuns({ needs: { ...needs, memoryGb: 3 } }, runs), false)
  assert.equal(suitsRuns({ needs: { ...needs, memoryGb: 4 } }, runs), true)
  assert.equal(suitsRuns({ limitSeconds: 900 }, runs), false)
  assert.equal(suitsRuns({ limitSeconds: 900 }, undefined), true)
})
