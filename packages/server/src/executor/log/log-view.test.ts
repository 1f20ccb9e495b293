import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  finishedOffset,
  livePieces,
  segmentStart,
  slicePieces,
  totalLength,
  wholeLog,
  type Piece,
  type Segment,
} from './log-view.ts'

/** The stream in which every byte is its own place, as the pieces give it; a gap is -1. */
const bytesOf = (pieces: readonly Piece[]): number[] =>
  pieces.flatMap((piece) => {
    if (piece.type === 'gap') return [-1]
    const base = piece.file === 'log' ? 0 : (segmentStart(piece.file) ?? Number.NaN)
    return Array.from({ length: piece.length }, (_, i) => base + piece.offset + i)
  })

/** A head, and segments one after another with perhaps some missing between. */
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
  it('is head, a line for what is missing, and tail', () => {
    const pieces = wholeLog(3, [
      { start: 12, size: 2 },
      { start: 10, size: 2 },
    ])
    assert.deepEqual(bytesOf(pieces), [0, 1, 2, -1, 10, 11, 12, 13])
    assert.match(Buffer.from(pieces[1]?.type === 'gap' ? pieces[1].bytes : []).toString(), /^\[… 7 bytes left out/)
  })

  it('gives a follower every byte that is there once, in order, from any place', () => {
    fc.assert(
      fc.property(anyLog, fc.nat(60), ({ head, missing, segments, end }, position) => {
        const there = [...Array(end).keys()].filter(
          (place) => place >= position && (place < head || place >= head + missing),
        )
        assert.deepEqual(
          bytesOf(livePieces(head, segments, position)).filter((place) => place >= 0),
          there,
        )
      }),
    )
  })

  it('tells a follower exactly how much he has missed', () => {
    fc.assert(
      fc.property(anyLog, fc.nat(60), ({ head, missing, segments }, position) => {
        const told = livePieces(head, segments, position).reduce(
          (sum, piece) => sum + (piece.type === 'gap' ? piece.gapBytes : 0),
          0,
        )
        assert.equal(told, Math.max(0, missing - Math.max(0, position - head)) * (segments.length > 0 ? 1 : 0))
      }),
    )
  })

  it('gives ranges as a slice of the whole', () => {
    fc.assert(
      fc.property(anyLog, fc.nat(80), fc.nat(80), ({ head, segments }, start, end) => {
        const whole = livePieces(head, segments, 0)
        const flat = (pieces: readonly Piece[]): string[] =>
          pieces.flatMap((piece) =>
            piece.type === 'gap' ? [...piece.bytes].map((byte) => `gap ${byte}`) : bytesOf([piece]).map(String),
          )
        assert.deepEqual(flat(slicePieces(whole, start, end)), flat(whole).slice(start, Math.max(start, end)))
        assert.equal(totalLength(whole), flat(whole).length)
      }),
    )
  })

  it('knows its segments by name', () => {
    assert.equal(segmentStart('log.4096'), 4096)
    for (const name of ['log', 'log.', 'log.1a', 'xlog.1', 'logs.1']) assert.equal(segmentStart(name), undefined)
  })
})

describe('a follower who began while the attempt ran', () => {
  const joined = { logHead: 10, logDropped: 100, logLine: 7 }

  it('goes on at the same byte in the finished log', () => {
    assert.equal(finishedOffset(5, joined), 5)
    assert.equal(finishedOffset(10, joined), 10)
    assert.equal(finishedOffset(110, joined), 17)
    assert.equal(finishedOffset(115, joined), 22)
  })

  it('is told what was left out when that is where he stands', () => {
    assert.equal(finishedOffset(50, joined), 10)
  })

  it('is where he was when nothing was left out', () => {
    assert.equal(finishedOffset(50, {}), 50)
    assert.equal(finishedOffset(50, { logHead: 10, logDropped: 0, logLine: 0 }), 50)
  })
})
