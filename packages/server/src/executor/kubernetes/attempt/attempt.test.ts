import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Attempt } from './attempt.ts'

const refused = (pod: string): string =>
  `The cluster does not let the job start: Error creating: pods "science-platform-a1-1-${pod}" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no. The cluster retries; the operators may have to change something.`

describe('an attempt', () => {
  it('reports one wait once, although each try of the cluster names another pod', () => {
    const attempt = Attempt.adopted('a1-1', 'science-platform-a1-1')
    const reports: number[] = []
    // The cluster retries after 1, 2, 4, 8 … seconds, later once a minute; the executor reconciles every two seconds.
    const tries = ['q8wch', 'qbsh4', 'qqrsf', 'zx7vk', 'vzsfk', 'npz9z', 'rvbkd']
    for (let second = 0; second < 120; second += 2) {
      const pod = tries[Math.floor(Math.log2(second + 1))] ?? ''
      if (attempt.isReportDue(refused(pod), second * 1000)) reports.push(second)
    }
    assert.equal(reports.length, 1, `reported after ${reports.join(', ')} s`)
  })

  it('changes its objects one after the other, also after a change that failed', async () => {
    const attempt = Attempt.queued('a1-1', 'science-platform-a1-1')
    const order: string[] = []
    const first = attempt.serialize(async () => {
      await new Promise((resolve) => setImmediate(resolve))
      order.push('first')
      throw new Error('refused')
    })
    const second = attempt.serialize(() => Promise.resolve(void order.push('second')))
    await assert.rejects(first, /refused/)
    await second
    assert.deepEqual(order, ['first', 'second'])
  })

  it('keeps its first ending', () => {
    const attempt = Attempt.adopted('a1-1', 'science-platform-a1-1')
    const cause = { code: 'exited', message: 'The command exited with code 0.' } as const
    attempt.end({ at: 1, exitCode: 0, cause, stopped: false }, { node: 'node-1' }, { logHead: 3 })
    attempt.end({ at: 2, exitCode: 1, cause, stopped: true }, {}, {})
    assert.deepEqual(attempt.custody, { type: 'ended', joined: { logHead: 3 } })
    assert.deepEqual([attempt.observed.ending?.at, attempt.observed.node], [1, 'node-1'])
  })
})
