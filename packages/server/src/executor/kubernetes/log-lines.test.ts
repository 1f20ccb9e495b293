import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { LogLines, NoLog, secondOf, type LogPlace } from './log-lines.ts'

const start: LogPlace = { latest: '', lines: 0 }

/** A log as a node sends it: a time before every line. */
const sent = (lines: readonly (readonly [string, string])[]): Buffer =>
  Buffer.from(lines.map(([time, line]) => `${time} ${line}\n`).join(''))

/** Reads a log in pieces of a length, as if each was all that came. Returns what is copied, and where to go on. */
function copy(log: Buffer, place: LogPlace, pieceLength: number): { text: string; place: LogPlace; upTo: string } {
  const lines = new LogLines(place)
  let text = ''
  let known = ''
  let next = place
  for (let at = 0; at < log.length; at += pieceLength) {
    const piece = lines.take(log.subarray(at, at + pieceLength))
    known = text + Buffer.from(piece.bytes.subarray(0, piece.placeBytes)).toString('latin1')
    text += Buffer.from(piece.bytes).toString('latin1')
    if (piece.placeBytes > 0) next = piece.place
  }
  return { text, place: next, upTo: known }
}

describe('LogLines', () => {
  it('takes the times from the lines, wherever chunks end, and leaves every byte as it is', () => {
    const log = Buffer.concat([
      Buffer.from('2026-11-23T10:00:00.000000001Z '),
      Buffer.from([0, 255, 128, 97, 32, 13, 10]),
      Buffer.from('2026-11-23T10:00:00.000000002Z not ended'),
    ])
    const wanted = Buffer.concat([Buffer.from([0, 255, 128, 97, 32, 13, 10]), Buffer.from('not ended')])
    for (const length of [1, 2, 7, 31, 1000])
      assert.equal(copy(log, start, length).text, wanted.toString('latin1'), String(length))
  })

  it('goes on where it was, whatever the times and however the log is cut', () => {
    // Times grow but for what two streams do to each other; many lines share a second, some a time.
    const time = fc.integer({ min: 0, max: 6_000 })
    fc.assert(
      fc.property(
        fc.array(time, { minLength: 1, maxLength: 40 }),
        fc.nat(40),
        fc.integer({ min: 1, max: 90 }),
        (times, cut, length) => {
          const sorted = times.toSorted((a, b) => a - b)
          const all = sorted.map((ms, i) => [new Date(Date.UTC(2026, 10, 23) + ms).toISOString(), `line ${i}`] as const)
          const first = copy(sent(all.slice(0, cut)), start, length)
          const since = first.place.latest === '' ? 0 : secondOf(first.place.latest)
          const second = copy(sent(all.filter(([at]) => Date.parse(at) >= since)), first.place, length)
          assert.equal(first.text + second.text, all.map(([, line]) => `${line}\n`).join(''))
        },
      ),
    )
  })

  it('goes on at the beginning of a line that was not whole', () => {
    const log = '2026-11-23T10:00:00.1Z one\n2026-11-23T10:00:00.2Z two'
    const first = copy(Buffer.from(log), start, 1000)
    assert.equal(first.text, 'one\ntwo')
    assert.equal(first.upTo, 'one\n')
    assert.equal(copy(Buffer.from(`${log}, three\n`), first.place, 5).text, 'two, three\n')
  })

  it('takes new lines for new although older ones are gone by then', () => {
    const first = copy(
      sent([
        ['2026-11-23T10:00:00.1Z', 'a'],
        ['2026-11-23T10:00:00.2Z', 'b'],
      ]),
      start,
      1000,
    )
    const second = copy(sent([['2026-11-23T10:00:00.3Z', 'c']]), first.place, 1000)
    assert.equal(second.text, 'c\n')
  })

  it('knows an apology from a log', () => {
    const apology = Buffer.from('unable to retrieve container logs for containerd://abc\n')
    assert.throws(() => new LogLines(start).take(apology), NoLog)
  })
})
