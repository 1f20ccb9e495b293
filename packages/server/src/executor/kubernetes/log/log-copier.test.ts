import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { pino } from 'pino'
import type { ApiRequest } from '../api/api-client.ts'
import { ApiError } from '../api/api-error.ts'
import { LogCopier, type LogCopierOptions } from './log-copier.ts'
import { Semaphore } from '../../../lib/semaphore.ts'

/** A line as a node sends it, a microsecond after the one before. */
const line = (i: number, text = `line ${i}`): string => `2026-11-23T10:00:00.${String(i).padStart(6, '0')}Z ${text}\n`
const lines = (from: number, to: number): string => Array.from({ length: to - from }, (_, i) => line(from + i)).join('')
const texts = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('')

/** A node that returns the log that a test sets, and keeps a followed log open until the container ends. */
class StubNode {
  log: Iterable<Uint8Array> = []
  runs = true
  answers = true
  requests: boolean[] = []
  #ended = Promise.withResolvers<void>()

  write(text: string): void {
    this.log = [Buffer.from(text)]
  }

  end(): void {
    this.runs = false
    this.#ended.resolve()
  }

  async *stream(_: string, { query, signal }: ApiRequest): AsyncIterable<Uint8Array> {
    if (!this.answers) throw new ApiError(0, '', 'no answer')
    this.requests.push(query?.['follow'] === true)
    const first = this.log
    // Decided before the first chunk: a test may end the container while its reader still writes that chunk.
    const isOpen = query?.['follow'] === true && this.runs
    yield* first
    if (!isOpen) return
    signal.throwIfAborted()
    const aborted = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => {
      aborted.reject(signal.reason as Error)
    })
    await Promise.race([this.#ended.promise, aborted.promise])
    if (this.log !== first) yield* this.log
  }
}

describe('LogCopier', () => {
  let base: string
  let folder: string
  let node: StubNode
  let warnings: { msg: string }[]
  let gaps: number
  let leased: number
  const closing = new AbortController()
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'log-copier-'))
    folder = join(base, 'attempt')
    node = new StubNode()
    warnings = []
    gaps = 0
    leased = 0
  })
  afterEach(() => rm(base, { recursive: true, force: true }))

  const copier = (changes: Partial<LogCopierOptions> = {}): LogCopier =>
    new LogCopier({
      api: node,
      attemptId: 'a-1',
      namespace: 'jobs',
      pod: 'pod',
      folder,
      limitBytes: 2 ** 20,
      polls: new Semaphore(1),
      wake: () => undefined,
      onGap: () => gaps++,
      signal: closing.signal,
      log: pino({ level: 'warn' }, { write: (text: string) => warnings.push(JSON.parse(text) as { msg: string }) }),
      lastRestMs: 1,
      ...changes,
    })
  const lease = (): Disposable => {
    leased++
    return { [Symbol.dispose]: () => leased-- }
  }
  const log = (): Promise<string> => readFile(join(folder, 'log'), 'utf8')
  const eventually = async (what: string, isSo: () => Promise<boolean> | boolean): Promise<void> => {
    for (const deadline = Date.now() + 20_000; !(await isSo());) {
      if (Date.now() > deadline) throw new Error(`waited 20 s in vain for ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const copied = (text: string) => () =>
    log().then(
      (found) => found === text,
      () => false,
    )

  it('copies a log to its end, and disposes its lease', async () => {
    node.write(lines(0, 3))
    const tested = copier()
    const following = tested.follow(lease)
    assert.equal(tested.follow(lease), undefined, 'it has begun')
    await eventually('the first lines', copied(texts(0, 3)))
    assert.equal(leased, 1)
    node.write(lines(0, 5).slice(lines(0, 3).length))
    node.end()
    const { missing } = await tested.finish(true, true)
    await following
    assert.deepEqual([missing, leased, await log()], [undefined, 0, texts(0, 5)])
  })

  describe('when the log cannot be written', () => {
    it('resumes later, holds no lease meanwhile, and logs one warning', async () => {
      await writeFile(folder, 'in the way')
      node.write(lines(0, 3))
      const tested = copier()
      void tested.follow(lease)
      await eventually('a second try', () => node.requests.length === 0 && warnings.length === 1 && leased === 0)
      await rm(folder)
      await eventually('the log', copied(texts(0, 3)))
      node.end()
      const { missing } = await tested.finish(true, false)
      assert.deepEqual([missing, leased, warnings.length, await log()], [undefined, 0, 1, texts(0, 3)])
    })

    it('ends and reports why', async () => {
      await writeFile(folder, 'in the way')
      node.write(lines(0, 3))
      node.end()
      const tested = copier()
      void tested.follow(lease)
      const { joined, missing } = await tested.finish(true, false)
      assert.deepEqual(joined, {})
      assert.equal(missing, 'Part of the log is missing: the platform could not write it.')
      assert.equal(warnings.length, 1)
    })
  })

  const skip = process.getuid?.() === 0 ? false : 'only root can mount a small disk'
  describe('on a full disk', { skip }, () => {
    beforeEach(() => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', base])
    })
    afterEach(() => execFileSync('umount', ['--lazy', base]))
    const long = { text: lines(0, 20_000), copied: texts(0, 20_000) }

    it('loses nothing when room is made before the container ends', async () => {
      node.write(long.text)
      const tested = copier()
      void tested.follow(lease)
      await eventually('a failure', () => warnings.length > 0 && leased === 0)
      execFileSync('mount', ['-o', 'remount,size=4m', base])
      await eventually('the log', copied(long.copied))
      node.end()
      const { missing } = await tested.finish(true, false)
      assert.deepEqual([missing, gaps, warnings.length], [undefined, 0, 1])
      assert.ok((await log()) === long.copied)
    })

    it('loses nothing when room is made after the container has ended', async () => {
      node.write(long.text)
      node.end()
      const tested = copier({ lastRestMs: 1000 })
      const ending = tested.finish(true, false)
      await eventually('a failure', () => warnings.length > 0)
      execFileSync('mount', ['-o', 'remount,size=4m', base])
      assert.equal((await ending).missing, undefined)
      assert.ok((await log()) === long.copied)
    })

    it('stores what fits, and reports that the disk was full', async () => {
      node.log = Array.from({ length: 200 }, (_, i) => Buffer.from(lines(i * 100, (i + 1) * 100)))
      node.end()
      const { missing } = await copier().finish(true, false)
      assert.equal(missing, "Part of the log is missing: the platform's disk was full.")
      const found = await log()
      assert.ok(found.length > 60_000 && long.copied.startsWith(found), `${found.length} bytes`)
      assert.equal(warnings.length, 1)
    })

    it('drops the oldest part of a tail for the newest', async () => {
      // Head and tail fit, but not the tail twice.
      node.write(lines(0, 9000))
      node.end()
      const { missing, joined } = await copier({ limitBytes: 98_304 }).finish(true, false)
      assert.match(missing ?? '', /disk was full/)
      const found = await log()
      assert.match(
        found,
        /^line 0\n[^]*\[… \d+ bytes left out: the log is limited to [^,]*, and the disk was full …\]\n[^]*line 8999\n$/,
      )
      const { logHead = 0, logDropped = 0, logLine = 0 } = joined
      assert.equal(Buffer.byteLength(found) - logLine + logDropped, texts(0, 9000).length)
      assert.equal(logHead, 49_152)
    })
  })

  it('reports one gap where the node rotated lines away', async () => {
    node.write(lines(0, 3))
    const tested = copier()
    void tested.follow(() => undefined)
    await eventually('the first lines', copied(texts(0, 3)))
    node.write(lines(7, 9))
    const { missing } = await tested.finish(true, false)
    assert.equal(missing, undefined)
    assert.match(
      await log(),
      /^line 0\nline 1\nline 2\n\[… part of the log may be missing here: [^\n]+\nline 7\nline 8\n$/,
    )
    await copier().finish(true, false)
    assert.equal(gaps, 1)
  })

  it('notes a gap at the end where the last copied line was rotated away and no line followed', async () => {
    node.write(lines(0, 3))
    const tested = copier()
    void tested.follow(() => undefined)
    await eventually('the first lines', copied(texts(0, 3)))
    node.write('')
    const { missing } = await tested.finish(true, false)
    assert.equal(missing, undefined)
    assert.match(await log(), /^line 0\nline 1\nline 2\n\[… part of the log may be missing here: [^\n]+\n$/)
    assert.equal(gaps, 1)
  })

  it('does not wait for a node that is gone, and stores what was copied', async () => {
    node.write(lines(0, 3))
    const tested = copier()
    void tested.follow(lease)
    await eventually('the first lines', copied(texts(0, 3)))
    const { missing } = await tested.finish(false, false)
    assert.equal(missing, 'The end of the log could not be fetched from the node.')
    assert.deepEqual([await log(), leased, warnings.length], [texts(0, 3), 0, 0])
  })

  it('creates no file without a log', async () => {
    const { joined } = await copier().finish(false, false)
    assert.deepEqual(joined, {})
    await assert.rejects(log(), { code: 'ENOENT' })
  })

  it('resumes within a line of any length after a restart, and buffers none of it', async () => {
    const chunk = Buffer.alloc(65_536, 'x')
    const begin = Buffer.from(line(0, '').trimEnd())
    const part = 256
    node.log = [Buffer.from(`${begin.toString()} `), ...Array.from({ length: part }, () => chunk)]
    const first = new AbortController()
    const following = copier({ signal: first.signal }).follow(lease)
    const newest = async () =>
      Math.max(0, ...(await readdir(folder).catch(() => [])).map((name) => Number(name.slice('log.'.length)) || 0))
    await eventually('most of it', async () => (await newest()) >= (part - 2) * chunk.length)
    first.abort(new Error('The server stops.'))
    await following
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    node.log = (function* () {
      yield Buffer.from(`${begin.toString()} `)
      for (let i = 0; i < 4 * part; i++) {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before)
        yield chunk
      }
      yield Buffer.from('\n')
    })()
    const { missing, joined } = await copier().finish(true, false)
    assert.equal(missing, undefined)
    assert.ok(most < 32 * 2 ** 20, `${most} bytes in memory`)
    const found = await log()
    const { logDropped = 0, logLine = 0 } = joined
    assert.equal(Buffer.byteLength(found) - logLine + logDropped, 4 * part * chunk.length + 1)
  })
})
