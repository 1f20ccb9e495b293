import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultPolicy } from '../../configuration/policy/policy-of.ts'
import { someJob } from '../../store/testing/some-job.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { SchedulerCache } from '../cache/scheduler-cache.ts'
import { AdmissionControl } from './admission-control.ts'

function opened() {
  const policy = policyOf({ limits: { user: { queued: 5 }, group: {} } })
  const cache = new SchedulerCache(() => {}, Infinity, defaultPolicy)
  return { cache, admission: new AdmissionControl(policy, undefined, cache) }
}

test('admitted jobs count as queued until they are stored or refused, once', () => {
  const { cache, admission } = opened()
  const jobs = Array.from({ length: 3 }, () => someJob())
  const { leave } = admission.admit([{ jobs }])
  assert.throws(
    () => admission.admit([{ jobs }]),
    /3 jobs of ada wait already; with 3 more they would exceed the limit of 5/,
  )
  cache.upsertJobs(jobs)
  leave()
  leave()
  assert.throws(() => admission.admit([{ jobs }]), /3 jobs of ada wait already/)
  admission.admit([{ jobs: jobs.slice(1) }]).leave()
})

test('a job that entered the cache no longer counts as admitted, while others of its request still do', () => {
  const { cache, admission } = opened()
  const [one, ...others] = [someJob(), someJob(), someJob()]
  const { leave } = admission.admit([{ jobs: [one, ...others] }])
  cache.upsertJobs([one])
  admission.entered([one])
  const next = [someJob(), someJob(), someJob()]
  assert.throws(() => admission.admit([{ jobs: next }]), /3 jobs of ada wait already/)
  admission.admit([{ jobs: next.slice(1) }]).leave()
  leave()
  assert.throws(() => admission.admit([{ jobs: [...next, someJob(), someJob()] }]), /1 jobs of ada wait already/)
})

test('jobs are refused before they are stored where a limit was set since they were admitted', () => {
  const { cache, admission } = opened()
  const { confirm, leave } = admission.admit([{ jobs: [someJob(), someJob()] }])
  confirm()
  cache.upsertHolder({ kind: 'user', name: 'ada', limits: { queued: 1 }, setAt: 1 })
  assert.throws(confirm, /with 2 more they would exceed the limit of 1/)
  cache.upsertHolder({ kind: 'user', name: 'ada', limits: { running: 0 }, setAt: 2 })
  assert.throws(confirm, /no job of ada may run/)
  leave()
})
