import assert from 'node:assert/strict'
import { test } from 'node:test'
import { someJob } from '../../store/store-contract.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { SchedulerCache } from '../cache/scheduler-cache.ts'
import { AdmissionControl } from './admission-control.ts'

test('admitted jobs count as queued until they are stored or refused, once', () => {
  const policy = policyOf({ limits: { user: { queued: 5 }, group: {} } })
  const cache = new SchedulerCache(() => {}, Infinity)
  const admission = new AdmissionControl(policy, undefined, cache)
  const jobs = Array.from({ length: 3 }, () => someJob())
  const entered = admission.admit(jobs)
  assert.throws(() => admission.admit(jobs), /3 jobs of ada wait already; with 3 more they would exceed the limit of 5/)
  cache.upsertJobs(jobs)
  entered()
  entered()
  assert.throws(() => admission.admit(jobs), /3 jobs of ada wait already/)
  admission.admit(jobs.slice(1))()
})
