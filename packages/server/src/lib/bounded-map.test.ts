import assert from 'node:assert/strict'
import { it } from 'node:test'
import { BoundedMap } from './bounded-map.ts'

it('a bounded map drops what was used least recently', () => {
  const map = new BoundedMap<string, number>(2)
  map.set('a', 1)
  map.set('b', 2)
  assert.equal(map.get('a'), 1)
  map.set('c', 3)
  assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], [1, undefined, 3])
  map.set('c', 4)
  assert.deepEqual([map.size, map.get('a'), map.get('c')], [2, 1, 4])
  map.delete('a')
  assert.deepEqual([map.size, map.get('a')], [1, undefined])
})
