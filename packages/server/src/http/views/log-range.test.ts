import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { contentRange, sliceOf } from './log-range.ts'

describe('a range of a log', () => {
  const table: readonly (readonly [string | undefined, number, object])[] = [
    [undefined, 10, { kind: 'whole' }],
    ['bytes=0-', 10, { kind: 'part', start: 0, end: 10 }],
    ['bytes=2-4', 10, { kind: 'part', start: 2, end: 5 }],
    ['bytes=2-99', 10, { kind: 'part', start: 2, end: 10 }],
    ['bytes=9-9', 10, { kind: 'part', start: 9, end: 10 }],
    ['bytes=-3', 10, { kind: 'part', start: 7, end: 10 }],
    ['bytes=-99', 10, { kind: 'part', start: 0, end: 10 }],
    ['bytes=10-', 10, { kind: 'unsatisfiable' }],
    ['bytes=-0', 10, { kind: 'unsatisfiable' }],
    ['bytes=-5', 0, { kind: 'unsatisfiable' }],
    ['bytes=0-', 0, { kind: 'unsatisfiable' }],
    ['bytes=5-2', 10, { kind: 'whole' }],
    ['bytes=0-1,4-5', 10, { kind: 'whole' }],
    ['bytes=-', 10, { kind: 'whole' }],
    ['lines=1-2', 10, { kind: 'whole' }],
    ['bytes=a-b', 10, { kind: 'whole' }],
    ['bytes=99999999999999999999-', 10, { kind: 'whole' }],
  ]
  for (const [header, size, slice] of table) {
    it(`${header ?? 'none'} of ${size}`, () => {
      assert.deepEqual(sliceOf(header, size, false), slice)
    })
  }

  it('of a growing log has no end, and may begin after the present end', () => {
    assert.deepEqual(sliceOf('bytes=10-', 10, true), { kind: 'part', start: 10, end: undefined })
    assert.deepEqual(sliceOf('bytes=-4', 10, true), { kind: 'part', start: 6, end: undefined })
    assert.deepEqual(sliceOf(undefined, 10, true), { kind: 'whole' })
    assert.equal(contentRange(10, undefined, 10), 'bytes 10-9007199254740991/*')
  })

  it('is never empty, never outside the log, and Content-Range matches it', () => {
    fc.assert(
      fc.property(fc.option(fc.nat(50)), fc.option(fc.nat(50)), fc.nat(40), (from, to, size) => {
        const slice = sliceOf(`bytes=${from ?? ''}-${to ?? ''}`, size, false)
        if (slice.kind !== 'part') return
        const { start, end = -1 } = slice
        assert.ok(0 <= start && start < end && end <= size)
        assert.equal(contentRange(start, end, size), `bytes ${start}-${end - 1}/${size}`)
      }),
    )
  })
})
