import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FileList, ProblemBody } from '@science-platform/contract'
import { LookBusy, LookFailed, type ArcLook, type LookAnswer, type LookLimits } from '../../executor/arc-look.ts'
import type { Account } from '../../executor/account.ts'
import { InvalidRequest } from '../../job/invalid.ts'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()

describe('/api/v1/files', () => {
  /** The answer to a request, where a look does what `glob` does; undefined: the server sees no files. */
  async function ask(glob: ArcLook['glob'] | undefined, query: Record<string, string> = { glob: '/arc/*' }) {
    Object.assign(t.executor, { arc: glob === undefined ? undefined : { glob } })
    try {
      return await t.as('ada', { url: '/api/v1/files', query })
    } finally {
      Object.assign(t.executor, { arc: undefined })
    }
  }

  it('looks as the caller, and answers what the look has found', async () => {
    const asked: [Account, string, LookLimits | undefined][] = []
    const found: LookAnswer = {
      files: [{ path: '/arc/home/ada/é', type: 'closed-folder', sizeBytes: 5, modifiedAt: 1000 }],
      cut: 'time',
      unreadable: 2,
      unnamed: 1,
    }
    const answer = await ask(
      async (...parameters) => {
        asked.push(parameters as (typeof asked)[number])
        return found
      },
      { glob: '/arc/home/ada/*', limit: '7' },
    )
    assert.equal(answer.statusCode, 200)
    assert.deepEqual(answer.json<FileList>(), {
      ...found,
      files: [{ ...found.files[0], modifiedAt: '1970-01-01T00:00:01.000Z' }],
    })
    const [account, pattern, limits] = asked[0] ?? []
    const stored = await t.store.account('ada')
    assert.deepEqual([account?.name, account?.uid, account?.groups], ['ada', stored?.uid, stored?.groups])
    assert.deepEqual([pattern, limits?.most], ['/arc/home/ada/*', 7])
  })

  it('says where the server does not see the files', async () => {
    const answer = await ask(undefined)
    const { type, hint } = answer.json<ProblemBody>()
    assert.deepEqual([answer.statusCode, type.split(':').at(-1)], [409, 'files-not-visible'])
    assert.match(hint ?? '', /canfar create/)
  })

  it('refuses a bad pattern by its field, and asks for patience where a look gives no answer', async () => {
    const refused = await ask(async () => {
      throw new InvalidRequest('glob', 'glob is odd', 'Write another.')
    })
    assert.deepEqual([refused.statusCode, refused.json<ProblemBody>().field], [400, 'glob'])
    assert.equal(
      (await ask(async () => ({ files: [], unreadable: 0, unnamed: 0 }), {})).json<ProblemBody>().field,
      'glob',
    )
    for (const error of [new LookBusy('the disk takes too long'), new LookFailed('cannot mount /root/secret')]) {
      const answer = await ask(async () => {
        throw error
      })
      assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [503, '5'])
      assert.doesNotMatch(answer.body, /secret/, 'facts of the machine are in the log alone')
    }
  })
})
