import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { text } from '../attempt-runner.ts'
import { AttemptLogs } from './attempt-log.ts'
import { gapMark } from './log-format.ts'
import { LogWriter } from './log-writer.ts'

describe('LogWriter', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'log-writer-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const bytes = (content: string): Buffer => Buffer.from(content)
  const readable = () => {
    const running = { logLimitBytes: 64, joined: undefined, changed: () => Promise.resolve(), wake: () => {} }
    const logs = new AttemptLogs({ attempts: folder, logs: join(folder, 'logs') }, () => running)
    return text(logs.read('a', {}))
  }
  const open = () => LogWriter.open(join(folder, 'a'), 64)

  it('writes bytes that are readable at once', async () => {
    const writer = await open()
    await writer.write(bytes('one\n'), '1')
    assert.equal(await readable(), 'one\n')
    await writer.write(bytes('two\n'), '2')
    await writer.finish()
    await writer.close()
    assert.equal(await readFile(join(folder, 'a/log'), 'utf8'), 'one\ntwo\n')
  })

  it('continues at the last noted place, and cuts off later bytes', async () => {
    const first = await open()
    await first.write(bytes('one\n'), '1')
    await first.write(bytes('tw'), first.place)
    await first.close()
    const second = await open()
    assert.equal(second.place, '1')
    await second.write(bytes('two\n'), '2')
    await second.finish()
    await second.close()
    assert.equal(await readFile(join(folder, 'a/log'), 'utf8'), 'one\ntwo\n')
  })

  it('begins again when the note is not whole', async () => {
    const first = await open()
    await first.write(bytes('one\n'), '1')
    await first.close()
    await appendFile(join(folder, 'a/copied'), '{')
    const second = await open()
    assert.equal(second.place, '')
    await second.close()
  })

  it('keeps beginning and end of a long log and marks the gap, whatever the pieces and interruptions', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 }), fc.nat(30), async (sizes, at) => {
        await rm(join(folder, 'a'), { recursive: true, force: true })
        let writer = await open()
        let whole = ''
        for (const [i, size] of sizes.entries()) {
          const piece = String.fromCodePoint(97 + (i % 26)).repeat(size)
          if (i === at) {
            await writer.write(bytes('not noted'), writer.place)
            await writer.close()
            writer = await open()
          }
          await writer.write(bytes(piece), `${i}`)
          whole += piece
        }
        const joined = await writer.finish()
        await writer.close()
        const again = await open()
        assert.deepEqual(await again.finish(), joined)
        await again.close()
        const log = await readFile(join(folder, 'a/log'), 'utf8')
        const left = /\n?\[… (\d+) bytes left out: the log is limited to 64 bytes …\]\n/.exec(log)
        if (left === null) assert.equal(log, whole)
        else {
          const [head = '', tail = ''] = log.split(left[0])
          assert.equal(head, whole.slice(0, 32))
          assert.equal(head.length + Number(left[1]) + tail.length, whole.length)
          assert.ok(tail.length >= 32 && tail.length <= 40 && whole.endsWith(tail), tail)
        }
        assert.deepEqual((await readdir(join(folder, 'a'))).sort(), ['copied', 'log'])
      }),
      { numRuns: 60, examples: [[[1, 1, 1, 4, 10, 2, 1, 40, 1], 8]] },
    )
  })

  it('drops the oldest of the tail to make room at the end, also when that is interrupted', async () => {
    const letters = Array.from({ length: 100 }, (_, i) => String.fromCodePoint(97 + (i % 26)))
    const whole = letters.join('')
    const first = await open()
    for (const [i, letter] of letters.entries()) await first.write(bytes(letter), `${i}`)
    const segments = (await readdir(join(folder, 'a'))).filter((name) => name.startsWith('log.')).sort()
    const third = join(folder, 'a', segments[2] ?? '')
    await rename(third, join(folder, 'aside'))
    await mkdir(third)
    await assert.rejects(first.finish(true), { code: 'EISDIR' })
    await first.close()
    await rmdir(third)
    await rename(join(folder, 'aside'), third)
    const second = await open()
    assert.ok(second.isJoining)
    await second.finish()
    await second.close()
    const tail = whole.slice(Number(segments[1]?.slice('log.'.length)))
    const line = gapMark({ gapBytes: whole.length - 32 - tail.length, limitBytes: 64, afterLine: false, isFull: true })
    assert.equal(await readFile(join(folder, 'a/log'), 'utf8'), `${whole.slice(0, 32)}${line}${tail}`)
    assert.deepEqual((await readdir(join(folder, 'a'))).sort(), ['copied', 'log'])
  })
})
