import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BoundedMap } from './bounded-map.ts'

describe('a bounded map', () => {
  it('drops the least recently used entry above its limit', () => {
    const map = new BoundedMap<string, number>(2)
    map.set('a', 1)
    map.set('b', 2)
    assert.equal(map.get('a'), 1)
    map.set('c', 3)
    assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], [1, undefined, 3])
    assert.equal(map.size, 2)
  })

  it('replaces and deletes entries without dropping others', () => {
    const map = new BoundedMap<string, number>(2)
    map.set('a', 1)
    map.set('b', 2)
    map.set('a', 3)
    assert.deepEqual([map.get('a'), map.get('b')], [3, 2])
    map.delete('a')
    map.set('c', 4)
    assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], [undefined, 2, 4])
  })
})
