import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { registryAuth } from './registry-auth.ts'

describe('registry credentials', () => {
  it('are split at the first colon', () => {
    const header = (text: string) => Buffer.from(text).toString('base64')
    assert.equal(registryAuth(header('ada:se:cret')), 'ada:se:cret')
    assert.equal(registryAuth(header('robot$ada:gehéim')), 'robot$ada:gehéim')
    assert.equal(registryAuth(undefined), undefined)
    for (const wrong of ['%%%', header('ada'), header(':x'), header('ada:'), header('a:b\n'), 'YTpi YTpi'])
      assert.throws(() => registryAuth(wrong), /Must be in form of username:secret/)
  })
})
