import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { LogLines, NoLog, secondOf, type LogPlace } from './log-lines.ts'

const start: LogPlace = { latest: '', lines: 0 }

/** A log as a node sends it: a time before every line. */
const sent = (lines: readonly (readonly [string, string])[]): Buffer =>
  Buffer.from(lines.map(([time, line]) => `${time} ${line}\n`).join(''))

/** Reads a log in chunks of a length. Returns what is copied, and where to resume. */
function copy(log: Buffer, place: LogPlace, pieceLength: number): { text: string; place: LogPlace; lines: LogLines } {
  const lines = new LogLines(place)
  let text = ''
  let next = place
  for (let at = 0; at < log.length; at += pieceLength) {
    const piece = lines.take(log.subarray(at, at + pieceLength))
    text += Buffer.from(piece.bytes).toString('latin1')
    next = piece.place
  }
  return { text, place: next, lines }
}

/** How `copy` shows the line about what may be missing. */
const gapLine = Buffer.from(
  '[… part of the log may be missing here: its node deleted it before it was copied …]\n',
).toString('latin1')

describe('LogLines', () => {
  it('strips the times from the lines, wherever chunks end, and changes no other byte', () => {
    const log = Buffer.concat([
      Buffer.from('2026-11-23T10:00:00.000000001Z '),
      Buffer.from([0, 255, 128, 97, 32, 13, 10]),
      Buffer.from('2026-11-23T10:00:00.000000002Z not ended'),
    ])
    const wanted = Buffer.concat([Buffer.from([0, 255, 128, 97, 32, 13, 10]), Buffer.from('not ended')])
    for (const length of [1, 2, 7, 31, 1000])
      assert.equal(copy(log, start, length).text, wanted.toString('latin1'), String(length))
  })

  it('resumes at the same place, whatever the times and the cut', () => {
    // Times grow; many lines share a second, and some share a time.
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

  it('resumes within a line that was copied in part', () => {
    const log = '2026-11-23T10:00:00.1Z one\n2026-11-23T10:00:00.2Z two'
    const first = copy(Buffer.from(log), start, 1000)
    assert.equal(first.text, 'one\ntwo')
    const second = copy(Buffer.from(`${log}, three\n`), first.place, 5)
    assert.equal(second.text, ', three\n')
    assert.deepEqual(second.place, { latest: '2026-11-23T10:00:00.2Z', lines: 2 })
  })

  it('notes a gap where the last copied line was rotated away', () => {
    const first = copy(
      sent([
        ['2026-11-23T10:00:00.1Z', 'a'],
        ['2026-11-23T10:00:00.2Z', 'b'],
      ]),
      start,
      1000,
    )
    const log = sent([['2026-11-23T10:00:00.3Z', 'c']])
    const second = copy(log, first.place, 1000)
    assert.equal(second.text, `${gapLine}c\n`)
    assert.equal(copy(log, second.place, 1000).text, '', 'once')
  })

  it('notes a gap on a line of its own, also after a line that was copied in part', () => {
    const first = copy(Buffer.from('2026-11-23T10:00:00.1Z begun'), start, 1000)
    const second = copy(sent([['2026-11-23T10:00:09Z', 'c']]), first.place, 1000)
    assert.equal(first.text + second.text, `begun\n${gapLine}c\n`)
  })

  it('notes a gap at the end of a log only where the last copied line was not sent again', () => {
    const log = sent([['2026-11-23T10:00:00.1Z', 'a']])
    const { place } = copy(log, start, 1000)
    assert.equal(Buffer.from(new LogLines(start).end().bytes).toString(), '', 'nothing was copied')
    const whole = copy(log, place, 1000).lines
    assert.equal(whole.awaitsLast, false)
    assert.equal(Buffer.from(whole.end().bytes).toString(), '')
    const rotated = new LogLines(place)
    assert.equal(rotated.awaitsLast, true)
    const end = rotated.end()
    assert.equal(Buffer.from(end.bytes).toString('latin1'), gapLine)
    assert.equal(new LogLines(end.place).end().bytes.length, 0, 'once')
  })

  it('notes each possible loss, and a gap only where the last copied line is gone, whatever is rotated away', () => {
    const time = fc.integer({ min: 0, max: 4_000 })
    fc.assert(
      fc.property(
        fc.uniqueArray(time, { minLength: 1, maxLength: 30 }),
        fc.nat(1000),
        fc.nat(30),
        fc.integer({ min: 1, max: 90 }),
        (times, cut, rotated, length) => {
          const sorted = times.toSorted((a, b) => a - b)
          const all = sorted.map((ms, i) => [new Date(Date.UTC(2026, 10, 23) + ms).toISOString(), `line ${i}`] as const)
          // The first answer ends anywhere, also within a line; of the second, the first lines are gone.
          const whole = sent(all)
          const first = copy(whole.subarray(0, cut), start, length)
          const since = first.place.latest === '' ? 0 : secondOf(first.place.latest)
          const left = all.filter(([at], i) => i >= rotated && Date.parse(at) >= since)
          const second = copy(sent(left), first.place, length)
          const text = first.text + second.text + Buffer.from(second.lines.end().bytes).toString('latin1')
          const begun = all.filter((_, i) => sent(all.slice(0, i)).length + '2026-11-23T10:00:00.000Z '.length <= cut)
          const lastIsGone = begun.length > 0 && rotated >= begun.length
          const line = first.text === '' || first.text.endsWith('\n') ? gapLine : `\n${gapLine}`
          const rest = all.slice(rotated).map(([, each]) => `${each}\n`)
          if (!lastIsGone && (begun.length > 0 || rotated === 0))
            assert.equal(text, all.map(([, each]) => `${each}\n`).join(''))
          else assert.equal(text, first.text + (lastIsGone ? line : '') + rest.join(''))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('distinguishes an error text from a log', () => {
    const errorText = Buffer.from('unable to retrieve container logs for containerd://abc\n')
    assert.throws(() => new LogLines(start).take(errorText), NoLog)
  })
})
