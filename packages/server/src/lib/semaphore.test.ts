import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as later } from 'node:timers/promises'
import { Semaphore } from './semaphore.ts'

test('limits concurrent work in order; an aborted waiter is skipped; a failure starts the next', async () => {
  const semaphore = new Semaphore(2)
  const never = new AbortController()
  const begun: string[] = []
  const ends: Record<string, PromiseWithResolvers<void>> = {}
  const work = (name: string, signal = never.signal): Promise<void> =>
    semaphore.take(signal, () => {
      begun.push(name)
      ends[name] = Promise.withResolvers<void>()
      return ends[name].promise
    })
  const leaving = new AbortController()
  const all = [work('a'), work('b'), work('c', leaving.signal), work('d'), work('e')]
  const results = Promise.allSettled(all)
  assert.deepEqual(begun, ['a', 'b'])
  leaving.abort(new Error('gone'))
  ends['a']?.reject(new Error('failed'))
  await later()
  assert.deepEqual(begun, ['a', 'b', 'd'])
  ends['b']?.resolve()
  await later()
  assert.deepEqual(begun, ['a', 'b', 'd', 'e'])
  ends['d']?.resolve()
  ends['e']?.resolve()
  assert.deepEqual(
    (await results).map((result) => (result.status === 'fulfilled' ? 'done' : (result.reason as Error).message)),
    ['failed', 'done', 'gone', 'done', 'done'],
  )
  await assert.rejects(work('f', leaving.signal), /gone/)
  const last = work('g')
  ends['g']?.resolve()
  await last
})
