import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { AttemptRunner, text } from '../executor-contract.ts'
import { busyboxReference } from './testing/busybox-root.ts'
import { ada, OciUnderTest, whyNotAsRoot } from './testing/oci-under-test.ts'

const skip = whyNotAsRoot() ?? false
const MiB = 1024 ** 2

describe('the limit of logs', { skip }, () => {
  let tested: OciUnderTest
  let runner: AttemptRunner
  const limit = 4 * MiB
  const forever = new AbortController().signal

  before(async () => {
    tested = await OciUnderTest.open({ logLimitBytes: limit })
    runner = new AttemptRunner(tested.executor, { image: busyboxReference, account: ada }, 'loglimit')
  })
  afterEach(() => tested.tidy())
  after(() => tested.close())

  it('keeps beginning and end of a long log, and never more than the limit and a piece', async () => {
    const spec = runner.script(`echo first; yes 0123456789abcde | head -c ${64 * MiB}; echo last`)
    await runner.executor.start(spec)
    await runner.running(spec.id)
    const folder = tested.attemptFolder(spec.id)
    let most = 0
    const watch = setInterval(() => {
      let size = 0
      for (const name of readdirSync(folder).filter((file) => file.startsWith('log')))
        size += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0
      most = Math.max(most, size)
    }, 5)
    const { ending } = await runner.ended(spec.id).finally(() => {
      clearInterval(watch)
    })
    assert.equal(ending?.exitCode, 0)
    assert.ok(most <= limit + limit / 16 + MiB / 2, `${most} bytes`)
    const log = await runner.log(spec.id)
    const left = 64 * MiB + 6 + 5 - limit
    assert.ok(log.startsWith('first\n0123456789abcde\n'))
    assert.ok(log.endsWith('0123456789abcde\nlast\n'))
    assert.ok(log.includes(`[… ${left} bytes left out: the log is limited to 4 MiB …]\n`))
    assert.ok(Math.abs(log.length - limit) < 200)
  })

  it('leaves out nothing of a log at the limit, and one byte of a log one byte longer', async () => {
    const fits = runner.script(`head -c ${limit} /dev/zero | tr '\\0' x`)
    await runner.run(fits)
    assert.equal(await runner.log(fits.id), 'x'.repeat(limit))
    const over = runner.script(`head -c ${limit + 1} /dev/zero | tr '\\0' x`)
    await runner.run(over)
    assert.match(await runner.log(over.id), /^x+\n\[… 1 bytes left out: the log is limited to 4 MiB …\]\nx+$/)
  })

  it('gives a follower the end, and one line for the bytes that it missed', async () => {
    const spec = runner.script('yes abcdefghijklmno | head -c 33554432; echo the end')
    await runner.executor.start(spec)
    await runner.running(spec.id)
    const seen = await text(runner.executor.followLog(spec.id, 0, forever))
    assert.ok(seen.startsWith('abcdefghijklmno\n'))
    assert.ok(seen.endsWith('abcdefghijklmno\nthe end\n'))
    const odd = seen
      .split('\n')
      .filter((line) => line !== 'abcdefghijklmno' && line !== '' && line !== 'the end' && !line.startsWith('[…'))
    // Only where something was left out may a line be cut.
    assert.ok(odd.length <= 2 * seen.split('[…').length, odd.slice(0, 5).join('|'))
  })

  it('never waits for a reader, and tells one that stands still how many bytes it has missed', async () => {
    const bytes = 16 * MiB
    const spec = runner.script(`yes 0123456789abcde | head -c ${bytes}`)
    await runner.executor.start(spec)
    await runner.running(spec.id)
    let position = 0
    for await (const piece of runner.executor.followOutput(spec.id, 0, forever)) {
      if (position === 0) assert.equal((await runner.ended(spec.id)).ending?.exitCode, 0)
      position += piece.length
    }
    // It ends with what it had begun, before the gap; at most the head, or what it had seen of segments before.
    const rest = async () => {
      const output = await runner.executor.output(spec.id, position)
      assert.deepEqual({ ...output, start: 0 }, { start: 0, end: bytes, size: bytes, lostBytes: 0 })
      const { start = 0 } = output ?? {}
      assert.ok(start >= position && start >= bytes - limit / 2, `${start}`)
      const tail = await text(runner.executor.readOutput(spec.id, start, bytes))
      assert.equal(tail, '0123456789abcde\n'.repeat(bytes / 16).slice(start))
    }
    await rest()
    await tested.tidy()
    await runner.executor.forget(spec.id)
    await rest()
    await runner.executor.deleteLog(spec.id)
    assert.equal(await runner.executor.output(spec.id, 0), undefined)
  })

  it("shows a running job's newest lines, also beyond the limit", async () => {
    const spec = runner.script('yes abcdefghijklmno | head -c 16777216; echo the newest; sleep 600')
    await runner.executor.start(spec)
    await runner.logHas(spec.id, 'the newest')
    const log = await runner.log(spec.id)
    assert.ok(log.endsWith('the newest\n'))
    assert.match(log, /bytes left out/)
    assert.equal(Buffer.byteLength(log), await runner.executor.logSize(spec.id))
    await runner.executor.stop(spec.id, 0)
    await runner.ended(spec.id)
  })
})

describe('a disk that is full', { skip }, () => {
  it('does not stop a job that writes to its log, and the log says how many bytes are missing', async () => {
    await onSmallDisk('4m', async (tested, runner) => {
      const spec = runner.script(
        'echo first; yes 0123456789abcde | head -c 16777216; echo full > /proc/self/fd/1; while [ ! -e /tmp/../scratch/../dev/shm/go ] && [ $((n=n+1)) -lt 3 ]; do sleep 0.1; done; exit 3',
      )
      const { ending } = await runner.run(spec)
      assert.equal(ending?.exitCode, 3)
      const log = await runner.log(spec.id)
      assert.ok(log.startsWith('first\n'))
      await tested.tidy()
    })
  })

  it('goes on logging when there is room again, with a line for the lost bytes', async () => {
    await onSmallDisk('4m', async (tested, runner) => {
      execFileSync('/bin/sh', ['-c', `head -c 20m /dev/zero > ${tested.dataDir}/ballast || true`], { stdio: 'ignore' })
      execFileSync('/bin/sh', ['-c', `truncate -s -200k ${tested.dataDir}/ballast`])
      const spec = runner.script(
        'echo first; yes 0123456789abcde | head -c 1048576; echo waiting > /dev/shm/x; read line < gate; echo last',
      )
      const home = join(tested.dataDir, 'arc/home/ada')
      execFileSync('/bin/sh', [
        '-c',
        `mkdir -p ${home} && mkfifo ${home}/gate && chmod 666 ${home}/gate && chown -R ${ada.uid} ${home}`,
      ])
      await runner.executor.start(spec)
      await runner.running(spec.id)
      // The gate opens for writing once the job stands before it; the last of its output may still be on its way to the log.
      execFileSync('/bin/sh', ['-c', `exec 3> ${home}/gate; rm ${tested.dataDir}/ballast; echo go >&3`])
      const { ending } = await runner.ended(spec.id)
      assert.equal(ending?.exitCode, 0)
      const log = await runner.log(spec.id)
      const [, before = '', lost, after = ''] =
        /^first\n([^]*)\[… (\d+) bytes lost: the disk was full …\]\n([^]*)last\n$/.exec(log) ?? []
      assert.equal(before.length + Number(lost) + after.length, 1_048_576, log.slice(-300))
    })
  })

  it('is the cause of an attempt that could not start, and the next one runs', async () => {
    await onSmallDisk('2m', async (tested, runner) => {
      execFileSync('/bin/sh', ['-c', `head -c 20m /dev/zero > ${tested.dataDir}/ballast || true`], { stdio: 'ignore' })
      const { ending } = await runner.run(runner.script('true'))
      assert.equal(ending?.cause.code, 'disk-full', JSON.stringify(ending))
      assert.deepEqual(await readdir(join(tested.dataDir, 'attempts')), [])
      execFileSync('rm', [`${tested.dataDir}/ballast`])
      assert.equal((await runner.run(runner.script('true'))).ending?.exitCode, 0)
    })
  })

  it('does not hide how the job that filled it ended', async () => {
    await onSmallDisk('4m', async (tested, runner) => {
      const { ending } = await runner.run(runner.script('head -c 20m /dev/zero > big; exit 5'))
      assert.equal(ending?.exitCode, 5)
      await rm(join(tested.dataDir, 'arc/home/ada/big'))
      assert.equal((await runner.run(runner.script('true'))).ending?.exitCode, 0)
    })
  })

  it('is the cause at whatever step a start fails, and an attempt with room runs', async () => {
    await onSmallDisk('4m', async (tested, runner) => {
      const ballast = join(tested.dataDir, 'ballast')
      const outcomes: string[] = []
      for (let freeKiB = 0; !outcomes.includes('exit 0'); freeKiB += 4) {
        assert.ok(freeKiB <= 256, `it took more than 256 KiB: ${outcomes.join(', ')}`)
        const spec = runner.script('true')
        fill(ballast, freeKiB)
        const { ending } = await runner.run(spec)
        outcomes.push(ending?.exitCode === undefined ? `${ending?.cause.code}` : `exit ${ending.exitCode}`)
        await tested.tidy()
        await tested.executor.forget(spec.id)
        await rm(ballast)
      }
      assert.deepEqual([...new Set(outcomes)], ['disk-full', 'exit 0'])
    })
  })

  async function onSmallDisk(
    size: string,
    test: (tested: OciUnderTest, runner: AttemptRunner) => Promise<void>,
  ): Promise<void> {
    const dataDir = await mkdtemp(join(tmpdir(), 'oci-small-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'small', dataDir])
    try {
      const tested = await OciUnderTest.open({ dataDir })
      try {
        await test(tested, new AttemptRunner(tested.executor, { image: busyboxReference, account: ada }, 'small'))
      } finally {
        await tested.close()
      }
    } finally {
      // The forkServer, which has the supervisors' log open, ends a moment after the executor was closed.
      execFileSync('umount', ['--lazy', dataDir])
      await rm(dataDir, { recursive: true })
    }
  }

  /** Takes all room but so much. */
  function fill(path: string, freeKiB: number): void {
    execFileSync('/bin/sh', ['-c', `head -c 20m /dev/zero > ${path} || true; truncate -s -${freeKiB}k ${path}`], {
      stdio: 'ignore',
    })
  }
})
