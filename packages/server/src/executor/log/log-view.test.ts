import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { segmentStart } from './log-format.ts'
import {
  finishedOffset,
  finishedStretches,
  firstRun,
  liveStretches,
  slicePieces,
  stretchesFrom,
  totalLength,
  wholeLog,
  type Piece,
  type Segment,
  type Stretch,
} from './log-view.ts'

/** The places in the stream of the bytes of some pieces; a gap is -1. */
const bytesOf = (pieces: readonly Piece[]): number[] =>
  pieces.flatMap((piece) => {
    if (piece.type === 'gap') return [-1]
    const base = piece.file === 'log' ? 0 : (segmentStart(piece.file) ?? Number.NaN)
    return Array.from({ length: piece.length }, (_, i) => base + piece.offset + i)
  })

/** The places in the output of the bytes of some stretches, which must be those of their files. */
const placesOf = (stretches: readonly Stretch[]): number[] =>
  stretches.flatMap(({ start, length, file, offset }) => {
    assert.equal(start, (file === 'log' ? 0 : (segmentStart(file) ?? Number.NaN)) + offset)
    return Array.from({ length }, (_, i) => start + i)
  })

const markOf = (gapBytes: number): string => `[${gapBytes} bytes]\n`

/** A head and adjacent segments, perhaps with a gap between head and segments. */
const anyLog = fc
  .record({ head: fc.nat(20), missing: fc.nat(30), sizes: fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 4 }) })
  .map(({ head, missing, sizes }) => {
    const segments: Segment[] = []
    let start = head + missing
    for (const size of sizes) {
      segments.push({ start, size })
      start += size
    }
    return { head, missing: sizes.length > 0 ? missing : 0, segments, end: sizes.length > 0 ? start : head }
  })

describe('the log of a running attempt', () => {
  it('is head, a line for the gap, and tail', () => {
    const pieces = wholeLog(
      3,
      [
        { start: 12, size: 2 },
        { start: 10, size: 2 },
      ],
      markOf,
    )
    assert.deepEqual(bytesOf(pieces), [0, 1, 2, -1, 10, 11, 12, 13])
    assert.match(Buffer.from(pieces[1]?.type === 'gap' ? pieces[1].bytes : []).toString(), /^\[7 bytes\]/)
  })

  it('gives a reader every byte once, in order, from any place', () => {
    fc.assert(
      fc.property(anyLog, fc.nat(60), ({ head, missing, segments, end }, position) => {
        const there = [...Array(end).keys()].filter(
          (place) => place >= position && (place < head || place >= head + missing),
        )
        assert.deepEqual(placesOf(stretchesFrom(liveStretches(head, segments), position)), there)
      }),
    )
  })

  it('says where the bytes are that follow each other without a gap', () => {
    fc.assert(
      fc.property(anyLog, fc.nat(60), ({ head, missing, segments, end }, position) => {
        const stretches = liveStretches(head, segments)
        const places = placesOf(stretchesFrom(stretches, position))
        const run = firstRun(stretches, position)
        if (places.length === 0) return assert.equal(run, undefined)
        assert.equal(run?.start, places[0])
        assert.equal(run?.end, missing > 0 && (run?.start ?? 0) < head ? head : end)
      }),
    )
  })

  it('gives ranges as a slice of the whole', () => {
    fc.assert(
      fc.property(anyLog, fc.nat(80), fc.nat(80), ({ head, segments }, start, end) => {
        const whole = wholeLog(head, segments, markOf)
        const flat = (pieces: readonly Piece[]): string[] =>
          pieces.flatMap((piece) =>
            piece.type === 'gap' ? [...piece.bytes].map((byte) => `gap ${byte}`) : bytesOf([piece]).map(String),
          )
        assert.deepEqual(flat(slicePieces(whole, start, end)), flat(whole).slice(start, Math.max(start, end)))
        assert.equal(totalLength(whole), flat(whole).length)
      }),
    )
  })
})

describe('a reader that began while the attempt ran', () => {
  const joined = { logHead: 10, logDropped: 100, logLine: 7 }

  it('continues at the same byte of the finished log', () => {
    assert.equal(finishedOffset(5, joined), 5)
    assert.equal(finishedOffset(10, joined), 10)
    assert.equal(finishedOffset(110, joined), 17)
    assert.equal(finishedOffset(115, joined), 22)
  })

  it('continues at the line about the gap from a place that was left out', () => {
    assert.equal(finishedOffset(50, joined), 10)
  })

  it('finds head and tail in it, and nothing of the line between', () => {
    assert.deepEqual(finishedStretches(50, joined), [
      { start: 0, length: 10, file: 'log', offset: 0 },
      { start: 110, length: 33, file: 'log', offset: 17 },
    ])
    assert.deepEqual(finishedStretches(50, {}), [{ start: 0, length: 50, file: 'log', offset: 0 }])
    assert.deepEqual(finishedStretches(0, {}), [])
  })

  it('stays at its place when nothing was left out', () => {
    assert.equal(finishedOffset(50, {}), 50)
    assert.equal(finishedOffset(50, { logHead: 10, logDropped: 0, logLine: 0 }), 50)
  })
})
