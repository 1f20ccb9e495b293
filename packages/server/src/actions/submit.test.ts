import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requireReference } from '../job/image-reference.ts'
import { contextOf } from '../job/resources.ts'
import { workTurns } from '../lib/work-turns.ts'
import { submitter } from './submit.ts'

test('ten thousand jobs of a request are made in pieces, and the short work of others comes between them', async () => {
  const order: string[] = []
  const notAsked = (): never => {
    throw new Error('not used')
  }
  const submit = submitter({
    store: {
      submit: async ({ jobs, events }) => {
        order.push('stored')
        assert.equal(events.length, 10_000)
        assert.deepEqual(
          jobs.map(({ taskIndex }) => taskIndex),
          Array.from({ length: 10_000 }, (_, i) => i + 1),
        )
        return { outcome: 'stored', ids: jobs.map(({ id }) => id), change: 1 }
      },
      answeredBefore: notAsked,
    },
    executor: {},
    context: () => contextOf({ cores: 4, memoryGb: 16, gpus: 0 }, 5),
    networks: ['none'],
    checkImage: requireReference,
    logins: { sealFor: notAsked },
    jobToken: notAsked,
    queue: { admit: () => ({ confirm: () => undefined, settle: () => undefined }) },
    now: () => 1,
  })
  const account = { name: 'ada', uid: 20_000, gid: 20_000, admin: false, groups: [] }
  const submitted = submit({
    caller: { account, scopes: new Set(['submit']), tokenId: 't', tokenPrefix: 'p' } as never,
    requests: { name: 'many', image: 'localhost/a:1', replicas: 10_000 },
    audit: () => ({}) as never,
  })
  await workTurns.run('small', () => order.push('another request'))
  assert.equal((await submitted).outcome, 'stored')
  assert.deepEqual(order, ['another request', 'stored'])
})
