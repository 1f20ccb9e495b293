import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idsPerStatement, paddedIds } from './padded-ids.ts'

test('padded ids are the same ids in one of five lengths', () => {
  const lengths = new Set<number>()
  for (let count = 1; count <= idsPerStatement; count++) {
    const ids = Array.from({ length: count }, (_, i) => `id-${i}`)
    const padded = paddedIds(ids)
    assert.deepEqual(new Set(padded), new Set(ids))
    lengths.add(padded.length)
  }
  assert.deepEqual([...lengths], [1, 4, 16, 64, 200])
})
