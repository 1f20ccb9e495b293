import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gapMark, logLimits, lostMark, segmentFile, segmentStart } from './log-format.ts'

describe('the format of a log', () => {
  it('divides the limit into head and tail, and the tail into segments', () => {
    assert.deepEqual(logLimits(64), { headBytes: 32, tailBytes: 32, segmentBytes: 4 })
    assert.deepEqual(logLimits(65), { headBytes: 32, tailBytes: 33, segmentBytes: 4 })
    assert.deepEqual(logLimits(3), { headBytes: 1, tailBytes: 2, segmentBytes: 1 })
  })

  it('names segments by their place in the stream', () => {
    assert.equal(segmentFile(4096), 'log.4096')
    assert.equal(segmentStart('log.4096'), 4096)
    for (const name of ['log', 'log.', 'log.1a', 'xlog.1', 'logs.1']) assert.equal(segmentStart(name), undefined)
  })

  it('marks a gap with a line of its own', () => {
    const MiB = 2 ** 20
    assert.equal(gapMark({ gapBytes: 7, limitBytes: 4 * MiB }), '[… 7 bytes left out: the log is limited to 4 MiB …]\n')
    assert.equal(
      gapMark({ gapBytes: 7, limitBytes: 1000, afterLine: false, isFull: true }),
      '\n[… 7 bytes left out: the log is limited to 1000 bytes, and the disk was full …]\n',
    )
    assert.equal(lostMark(9), '[… 9 bytes lost: the disk was full …]\n')
  })
})
