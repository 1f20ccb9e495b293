import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { jobStates } from '@science-platform/contract'
import { someJob } from '../store/testing/some-job.ts'
import { cancelStep } from './cancel.ts'
import { testApp } from '../http/testing/test-app.ts'

describe('cancelling', () => {
  it('is a step for an active job that is not stopping; a waiting job ends with that step', () => {
    const taken = jobStates.filter((state) => cancelStep(someJob({ state }), 'its owner', 5) !== undefined)
    assert.deepEqual(taken, ['held', 'queued', 'starting', 'running'])
    const waiting = cancelStep(someJob({ state: 'held' }), 'its owner', 5)?.fields
    assert.deepEqual([waiting?.endedAt, waiting?.cause?.code, waiting?.stopReason], [5, 'cancelled', 'cancelled'])
    const running = cancelStep(someJob({ state: 'running', owner: 'ada' }), 'the administrator grace', 5)?.fields
    assert.deepEqual(running, {
      stopReason: 'cancelled',
      cause: { code: 'cancelled', message: 'It was cancelled by the administrator grace.' },
    })
  })

  it('works when the job changes state at the same moment', async () => {
    const t = await testApp()
    const id = await t.submit('ada')
    const step = t.store.step.bind(t.store)
    let raced = false
    // The loop wins the race: the job starts between the read and the step.
    Object.assign(t.store, {
      step: async (steps: Parameters<typeof step>[0]) => {
        if (!raced) {
          raced = true
          await t.run(id)
        }
        return step(steps)
      },
    })
    const answer = await t.as('ada', { method: 'POST', url: `/api/v1/jobs/${id}/cancel` })
    assert.deepEqual([answer.statusCode, answer.json<{ state: string }>().state], [202, 'stopping'])
  })
})
