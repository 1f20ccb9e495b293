import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerUnavailable } from '../../scheduler/answers/queue-worker.ts'
import { TooManyQuestions } from '../../scheduler/answers/turns.ts'
import { testApp } from '../testing/test-app.ts'

for (const { error, status, type } of [
  { error: new AnswerUnavailable('It crashed.'), status: 503, type: 'answer-unavailable' },
  { error: new TooManyQuestions('ada asks too much.'), status: 429, type: 'too-many-requests' },
])
  test(`a question about the queue that fails with ${error.name} is answered ${status}, with when to ask again`, async () => {
    const asked: string[] = []
    const fails = async (caller: string): Promise<never> => {
      asked.push(caller)
      throw error
    }
    const t = await testApp({
      queue: {
        caughtUp: async () => {},
        reason: () => undefined,
        why: (_, caller) => fails(caller),
        overview: ({ name }) => fails(name),
        allocated: () => ({ cores: 0, memoryGb: 0, gpus: 0 }),
      },
    })
    const id = await t.submit('ada')
    for (const [user, url] of [
      ['root', `/api/v1/jobs/${id}/why`],
      ['ada', '/api/v1/queue'],
    ] as const) {
      const answer = await t.as(user, { url })
      assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [status, '1'])
      const body = answer.json<{ type: string; hint: string }>()
      assert.equal(body.type, `urn:science-platform:problem:${type}`)
      assert.match(body.hint, /again in 1 s/)
    }
    assert.deepEqual(asked, ['root', 'ada'], 'who asks counts, not whose job it is')
  })
