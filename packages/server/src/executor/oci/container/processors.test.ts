import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseProcessors, parseProcessors } from './processors.ts'

test('a list of processors has numbers and ranges', () => {
  assert.deepEqual(parseProcessors('0-3,8\n'), [0, 1, 2, 3, 8])
  assert.deepEqual(parseProcessors('5'), [5])
  assert.deepEqual(parseProcessors('\n'), [])
})

test('a job gets the processors that the fewest jobs have, as many as its limit, rounded up', () => {
  const all = [0, 1, 2, 3]
  assert.deepEqual(chooseProcessors(1, all, []), [0])
  assert.deepEqual(chooseProcessors(1, all, [[0]]), [1])
  assert.deepEqual(chooseProcessors(2, all, [[0], [1]]), [2, 3])
  assert.deepEqual(chooseProcessors(1.5, all, [[0], [1], [2, 3], [2, 3]]), [0, 1])
  assert.deepEqual(chooseProcessors(0.25, all, [[0], [0], [1]]), [2])
})

test('a job that may use all processors is not bound', () => {
  assert.equal(chooseProcessors(2, [0, 1], []), undefined)
  assert.equal(chooseProcessors(3.5, [0, 1, 2, 3], [[0]]), undefined)
  assert.equal(chooseProcessors(1, [0], []), undefined)
})
