import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredChange } from '../store/change.ts'
import { readingOf } from './change-reader.ts'

const change = (parts: Partial<StoredChange> & Pick<StoredChange, 'kind' | 'subject' | 'number'>): StoredChange => ({
  at: 0,
  ...parts,
})

test('a page of changes loads each job once, at its newest change, and no ended jobs', () => {
  const reading = readingOf([
    change({ number: 1, kind: 'submitted', subject: 'a', to: 'queued' }),
    change({ number: 2, kind: 'submitted', subject: 'b', to: 'queued' }),
    change({
      number: 3,
      kind: 'submitted',
      subject: 'arr',
      arrayId: 'arr',
      tasks: { first: 1, last: 9 },
      to: 'queued',
    }),
    change({ number: 4, kind: 'placed', subject: 'a', from: 'queued', to: 'starting' }),
    change({ number: 5, kind: 'noted', subject: 'a' }),
    change({ number: 6, kind: 'cancelled', subject: 'b', from: 'queued', to: 'cancelled' }),
    change({ number: 7, kind: 'token-revoked', subject: 't' }),
  ])
  assert.deepEqual([...reading.jobs], [['a', 4]])
  assert.deepEqual(reading.arrays, [{ id: 'arr', first: 1, last: 9, number: 3 }])
  assert.deepEqual([...reading.ended], [['b', { state: 'cancelled', number: 6 }]])
  assert.equal(reading.holders, false)
})

test('limits are read again after one was set or cleared', () => {
  assert.equal(readingOf([change({ number: 1, kind: 'limit-set', subject: 'user ada' })]).holders, true)
  assert.equal(readingOf([change({ number: 1, kind: 'limit-cleared', subject: 'user ada' })]).holders, true)
})
