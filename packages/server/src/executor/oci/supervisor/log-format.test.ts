import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { text } from '../../attempt-runner.ts'
import { AttemptLogs } from '../../log/attempt-log.ts'
import { gapMark, logFile, logLimits, lostMark, segmentStart } from '../../log/log-format.ts'

/** The part of supervise.pl between two of its headings. */
function section(source: string, from: string, to: string): string {
  const [start, end] = [source.indexOf(from), source.indexOf(to)]
  assert.ok(start >= 0 && end > start, `supervise.pl has no section from "${from}" to "${to}"`)
  return source.slice(start, end)
}

/** A Perl program that passes its input to the log of supervise.pl: `LIMIT CHUNK LOST finish|leave`. */
async function logProgram(): Promise<string> {
  const source = await readFile(new URL('supervise.pl', import.meta.url), 'utf8')
  return `use strict;
my ($EINTR, %plan, %end) = (4, logLimit => $ARGV[0]);
$end{lostBytes} = 0;
${section(source, '# --- the log: a head', 'identify();')}
$lost = $ARGV[2];
open $log, '>>', 'log' or die;
while ((my $count = sysread STDIN, my $piece, $ARGV[1]) > 0) { write_log($piece) }
finish_log() if $ARGV[3] eq 'finish';
print join ' ', map { $end{$_} // 0 } qw(logHead logDropped logLine);
${section(source, '# --- the log ---', '# --- the end ---')}`
}

describe('the log that supervise.pl writes', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'supervised-log-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  async function write(
    stream: string,
    { limit, chunk = 65_536, lost = 0, end }: { limit: number; chunk?: number; lost?: number; end: 'finish' | 'leave' },
  ): Promise<number[]> {
    const program = join(folder, 'log.pl')
    await writeFile(program, await logProgram())
    const cwd = await mkdtemp(join(folder, 'a-'))
    const said = execFileSync('perl', [program, `${limit}`, `${chunk}`, `${lost}`, end], { cwd, input: stream })
    attempt = cwd.slice(folder.length + 1)
    return said.toString().split(' ').map(Number)
  }
  let attempt = ''
  const read = (limit: number) => {
    const running = { logLimitBytes: limit, joined: undefined, changed: () => Promise.resolve(), wake: () => {} }
    return text(new AttemptLogs({ attempts: folder, logs: join(folder, 'logs') }, () => running).read(attempt, {}))
  }

  const anyStream = fc.record({
    limit: fc.integer({ min: 2, max: 400 }),
    length: fc.integer({ min: 0, max: 1500 }),
    chunk: fc.integer({ min: 1, max: 90 }),
    // A line break anywhere, so that the head ends a line or does not.
    period: fc.integer({ min: 1, max: 40 }),
  })
  const streamOf = (length: number, period: number): string =>
    Array.from({ length }, (_, i) => (i % period === 0 ? '\n' : String.fromCodePoint(97 + (i % 26)))).join('')

  it('has the segments, limits and the mark of the format while the attempt runs', async () => {
    await fc.assert(
      fc.asyncProperty(anyStream, async ({ limit, length, chunk, period }) => {
        const stream = streamOf(length, period)
        await write(stream, { limit, chunk, end: 'leave' })
        const { headBytes, tailBytes, segmentBytes } = logLimits(limit)
        const names = await readdir(join(folder, attempt))
        const starts = names.map(segmentStart).filter((start) => start !== undefined)
        assert.deepEqual(
          names.filter((name) => segmentStart(name) === undefined),
          [logFile],
        )
        const sizes = await Promise.all(
          starts.map(async (start) => (await stat(join(folder, attempt, `log.${start}`))).size),
        )
        assert.ok(sizes.every((size) => size <= segmentBytes))
        const kept = sizes.reduce((sum, size) => sum + size, 0)
        assert.ok(kept < tailBytes + 2 * segmentBytes)
        assert.equal((await stat(join(folder, attempt, logFile))).size, Math.min(length, headBytes))
        const gapBytes = length - Math.min(length, headBytes) - kept
        const afterLine = stream[headBytes - 1] === '\n'
        const mark = gapBytes === 0 ? '' : gapMark({ gapBytes, limitBytes: limit, afterLine })
        const expected = `${stream.slice(0, headBytes)}${mark}${stream.slice(length - kept)}`
        assert.equal(await read(limit), expected)
      }),
      { numRuns: 60 },
    )
  })

  it('has the mark of the format between head and tail at the end', async () => {
    await fc.assert(
      fc.asyncProperty(anyStream, async ({ limit, length, chunk, period }) => {
        const stream = streamOf(length, period)
        const [logHead = 0, logDropped = 0, logLine = 0] = await write(stream, { limit, chunk, end: 'finish' })
        const { headBytes, tailBytes } = logLimits(limit)
        const gapBytes = Math.max(0, length - headBytes - tailBytes)
        const mark =
          gapBytes === 0 ? '' : gapMark({ gapBytes, limitBytes: limit, afterLine: stream[headBytes - 1] === '\n' })
        const tail = gapBytes === 0 ? stream.slice(headBytes) : stream.slice(length - tailBytes)
        const log = await readFile(join(folder, attempt, logFile), 'utf8')
        assert.equal(log, `${stream.slice(0, headBytes)}${mark}${tail}`)
        assert.equal(logDropped, gapBytes)
        assert.equal(logLine, Buffer.byteLength(mark))
        if (length > headBytes) assert.equal(logHead, headBytes)
        assert.deepEqual(await readdir(join(folder, attempt)), [logFile])
      }),
      { numRuns: 60, examples: [[{ limit: 400, length: 401, chunk: 7, period: 3 }]] },
    )
  })

  it('writes a limit of whole mebibytes as MiB', async () => {
    const limit = 2 ** 20
    const stream = 'x'.repeat(limit + 5)
    await write(stream, { limit, end: 'finish' })
    const log = await readFile(join(folder, attempt, logFile), 'utf8')
    assert.ok(log.includes(gapMark({ gapBytes: 5, limitBytes: limit, afterLine: false })))
  })

  it('has the line of the format in the place of bytes that the disk had no room for', async () => {
    await write('after', { limit: 1000, lost: 17, end: 'finish' })
    assert.equal(await readFile(join(folder, attempt, logFile), 'utf8'), `${lostMark(17)}after`)
  })
})
