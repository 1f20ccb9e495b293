import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isEnded } from '@science-platform/contract'
import fc from 'fast-check'
import type { Fact } from '../executor/simulated/simulated-cluster.ts'
import { attemptId } from '../job/job.ts'
import type { Store } from '../store/store.ts'
import { needsOf } from './cache/planned-job.ts'
import { policyOf } from '../configuration/policy/policy-of.ts'
import { anyFault, anyScenarioJob, anySettings } from './testing/arbitrary-scenario.ts'
import { Scenario } from './testing/scenario.ts'
import { chargedCores, decayed } from './rules/share.ts'

/** What must be true in the end. */
async function judge({ server, jobs, facts, clock }: Scenario): Promise<void> {
  const factsOf = (id: string, type: Fact['type']) =>
    facts.filter((fact) => fact.type === type && fact.spec.jobId === id)
  for (const id of jobs.keys()) {
    const job = await server.database.job(id)
    assert.ok(job !== undefined, 'it was accepted, so it is there')
    assert.ok(isEnded(job.state) && job.cause !== undefined && job.cause.message !== '' && job.endedAt !== undefined)
    assert.ok(job.endedAt <= clock.now())
    assert.equal(job.state === 'succeeded', job.cause.code === 'exited' && job.exitCode === 0)
    assert.equal(job.state === 'cancelled', job.cause.code === 'cancelled')
    assert.ok(factsOf(id, 'started').length <= 1, 'it ran twice')
    assert.ok(factsOf(id, 'warned').length <= 1, 'it was warned twice')
    const attempts = await server.database.attempts([id])
    assert.deepEqual(
      attempts.map((attempt) => attempt.id),
      Array.from({ length: job.attempt }, (_, i) => attemptId(id, i + 1)),
    )
    // Only attempts of which nothing ran are followed by another.
    for (const attempt of attempts.slice(0, -1))
      assert.deepEqual([attempt.startedAt, attempt.cause?.code], [undefined, 'image-unreachable'])
    const ended = factsOf(id, 'ended').findLast(({ spec }) => spec.id === attemptId(id, job.attempt))
    // A job that was cancelled in the queue has the end of the attempt that was returned.
    if (ended?.ending === undefined || (ended.ending.retry !== undefined && job.state === 'cancelled')) continue
    assert.deepEqual([job.endedAt, job.exitCode], [ended.ending.at, ended.ending.exitCode])
    if (job.stopReason === undefined && ended.ending.retry !== undefined)
      assert.match(job.cause.message, /does not answer\. It was tried again for 1\d minutes\.$/)
    else if (job.stopReason === undefined) assert.deepEqual(job.cause, ended.ending.cause)
    else assert.equal(job.cause.code, job.stopReason)
  }
  assert.deepEqual(server.loop.queue.allocated(), { cores: 0, memoryGb: 0, gpus: 0 })
  await judgeCharges(server.database)
}

/** Whatever happened, also on a node that vanished, is charged once: core-hours as they count when the last of them was charged. */
async function judgeCharges(kept: Store): Promise<void> {
  const policy = policyOf({})
  const shares = await kept.shares()
  const at = Math.max(0, ...shares.map((share) => share.at))
  const charged = shares.reduce((sum, share) => sum + decayed(share, at, policy.halfLifeHours), 0)
  let held = 0
  // Also those of whom nobody was told that they were accepted.
  for (const job of await kept.jobs({ owner: 'ada', sort: '-submitted', limit: 100 })) {
    for (const { placedAt, endedAt = Number.NaN } of await kept.attempts([job.id])) {
      const coreHours = (chargedCores(needsOf(job), policy) * (endedAt - placedAt)) / 3_600_000
      held += decayed({ coreHours, at: endedAt }, at, policy.halfLifeHours)
    }
  }
  // An ending that is learned after a later one does not decay from then on.
  assert.ok(Math.abs(charged - held) <= 0.005 * held, `${charged} core-hours were charged, ${held} held`)
}

/** A disk in memory where there is one: that commits are durable is shown elsewhere, and takes time. */
const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

test('whatever is killed, stopped or lost: what was accepted ends, once, with its cause, and no node has too much', async () => {
  const folder = await mkdtemp(join(memory, 'sp-faults-'))
  let scenarios = 0
  try {
    const scenarioJobs = fc.array(anyScenarioJob, { minLength: 1, maxLength: 12 })
    const faults = fc.array(anyFault, { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(anySettings, scenarioJobs, faults, async (settings, jobs, injected) => {
        const scenario = new Scenario(join(folder, String(scenarios++)), settings)
        scenario.plan(jobs, injected)
        try {
          await scenario.run()
          await judge(scenario)
        } finally {
          await scenario.end()
        }
        assert.deepEqual(scenario.failures, [])
      }),
      { numRuns: 60 },
    )
  } finally {
    await rm(folder, { recursive: true })
  }
})
