import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { AttemptRunner } from '../attempt-runner.ts'
import type { ExecutorEvent } from '../executor.ts'
import { writeAttemptFolder } from './attempt/attempt-folder.ts'
import { foldersOf } from './attempt/folders.ts'
import { SharedFiles } from './attempt/shared-files.ts'
import { readMachine } from './container/machine.ts'
import { busyboxReference, fixedImages } from './testing/busybox-root.ts'
import { ada, OciUnderTest, whyNotAsRoot } from './testing/oci-under-test.ts'

const skip = whyNotAsRoot() ?? false

describe('attempts whose supervisor, runtime or fork server is killed', { skip }, () => {
  let tested: OciUnderTest
  let runner: AttemptRunner

  before(async () => {
    tested = await OciUnderTest.open()
    runner = new AttemptRunner(tested.executor, { image: busyboxReference, account: ada }, 'recovery')
  })
  afterEach(() => tested.tidy())
  after(() => tested.close())

  const reopen = async (): Promise<void> => {
    runner.executor = await tested.reopen()
  }

  it('calls an attempt lost whose supervisor was killed, ends what it ran and keeps its log', async () => {
    const spec = runner.script('echo up; while :; do sleep 1; done')
    await runner.executor.start(spec)
    await runner.logHas(spec.id, 'up')
    const container = tested.containerPid(spec.id)
    process.kill(tested.supervisorPid(spec.id), 'SIGKILL')
    const { ending, startedAt } = await runner.ended(spec.id)
    assert.equal(ending?.cause.code, 'lost')
    assert.equal(ending.exitCode, undefined)
    assert.ok(startedAt !== undefined)
    assert.ok((ending.usage?.cpuSeconds ?? 0) > 0, 'the control group was read before it was removed')
    assert.equal(isRunning(container), false)
    assert.equal(await runner.log(spec.id), 'up\n')
  })

  it('goes on when a service manager sends SIGTERM to every process of the server, or to every supervisor', async () => {
    const spec = runner.script('trap "echo told" TERM; echo up; until [ -e go ]; do sleep 0.1; done; rm go; exit 4')
    await runner.executor.start(spec)
    await runner.logHas(spec.id, 'up')
    const groupsOf = (pid: number | undefined): string[] => readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')
    const own = groupsOf(process.pid)
    const groups = groupsOf(tested.supervisorPid(spec.id))
    // systemd follows the processes of a unit in one of these two.
    const tracking = groups.filter((line) => /^\d+:(name=systemd)?:/.test(line))
    assert.ok(tracking.length > 0)
    for (const line of tracking) {
      assert.match(line, new RegExp(`/science-platform-${tested.instance}-supervisors$`))
      assert.ok(!own.includes(line))
    }
    process.kill(tested.supervisorPid(spec.id), 'SIGTERM')
    await runner.run(runner.script('touch go'))
    const { ending } = await runner.ended(spec.id)
    assert.deepEqual([ending?.exitCode, ending?.stopped], [4, false])
    assert.equal(await runner.log(spec.id), 'up\n')
  })

  it('tells a later server of a kill for memory that no server has seen', async (context) => {
    if (!tested.executor.limitsThatHold().memory) return context.skip('there are no control groups here')
    const memoryGb = { request: 0.125, limit: 0.125 }
    const spec = runner.script(
      'until [ -e go ]; do sleep 0.1; done; rm go; (x=$(head -c 400m /dev/zero | tr "\\0" a); echo ${#x}); touch killed; sleep 600',
      { resources: { cores: { request: 1, limit: 1 }, memoryGb, gpus: 0, fixed: true } },
    )
    await runner.executor.start(spec)
    await runner.running(spec.id)
    await tested.executor.close()
    const home = join(tested.dataDir, 'arc', 'home', ada.name)
    await writeFile(join(home, 'go'), '')
    for (const deadline = Date.now() + 60_000; !existsSync(join(home, 'killed'));) {
      assert.ok(Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const events: ExecutorEvent[] = []
    runner.executor = await tested.reopen({}, (event) => events.push(event))
    await runner.running(spec.id)
    assert.deepEqual(
      events.map(({ attemptId, reason, isRepeated }) => [attemptId, reason, isRepeated]),
      [[spec.id, 'MemoryKill', true]],
    )
    process.kill(tested.supervisorPid(spec.id), 'SIGKILL')
    const { ending } = await runner.ended(spec.id)
    assert.deepEqual([ending?.cause.code, ending?.memoryKills?.count], ['lost', 1])
    assert.equal(ending?.memoryKills?.firstAt, events[0]?.at)
  })

  it('calls an attempt lost whose supervisor was killed while no server ran', async () => {
    const spec = runner.script('echo up; while :; do sleep 1; done')
    await runner.executor.start(spec)
    await runner.logHas(spec.id, 'up')
    const supervisor = tested.supervisorPid(spec.id)
    await tested.executor.close()
    process.kill(supervisor, 'SIGKILL')
    await reopen()
    assert.equal((await runner.ended(spec.id)).ending?.cause.code, 'lost')
  })

  it('calls an attempt lost whose adopted supervisor was killed', async () => {
    const spec = runner.script('echo up; while :; do sleep 1; done')
    await runner.executor.start(spec)
    await runner.logHas(spec.id, 'up')
    await reopen()
    process.kill(tested.supervisorPid(spec.id), 'SIGKILL')
    assert.equal((await runner.ended(spec.id)).ending?.cause.code, 'lost')
  })

  it('refuses a copy of the data folder while its attempts run in the first, and harms none', async () => {
    const spec = runner.script('echo up; while :; do sleep 1; done')
    await runner.executor.start(spec)
    await runner.logHas(spec.id, 'up')
    const container = tested.containerPid(spec.id)
    await tested.executor.close()
    const copy = join(tested.folder, 'copy')
    await mkdir(copy)
    await cp(join(tested.dataDir, 'attempts'), join(copy, 'attempts'), { recursive: true })
    const other = tested.make({ dataDir: copy, instance: `${tested.instance}c` })
    await assert.rejects(
      other.open(),
      new RegExp(`${copy}.* is a copy: the attempt runs in ${tested.attemptFolder(spec.id)}`),
    )
    await other.close()
    assert.ok(isRunning(container))
    await reopen()
    await runner.executor.stop(spec.id, 0)
    await runner.ended(spec.id)
  })

  it('joins the parts of the log of a lost attempt', async () => {
    const small = await OciUnderTest.open({ logLimitBytes: 1000 })
    try {
      const own = new AttemptRunner(small.executor, { image: busyboxReference, account: ada }, 'lostlog')
      const spec = own.script(
        'i=1000; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; touch written; sleep 600',
      )
      await own.executor.start(spec)
      await own.logHas(spec.id, 'line 1999')
      process.kill(small.supervisorPid(spec.id), 'SIGKILL')
      await own.ended(spec.id)
      const log = await own.log(spec.id)
      assert.match(
        log,
        /^line 1000\n[^]*\n\[… 9000 bytes left out: the log is limited to 1000 bytes …\]\n[^]*line 1999\n$/,
      )
    } finally {
      await small.close()
    }
  })

  it('reports the signal when another process killed the container', async () => {
    const spec = runner.script('echo up; while :; do sleep 1; done')
    await runner.executor.start(spec)
    await runner.logHas(spec.id, 'up')
    process.kill(tested.containerPid(spec.id), 'SIGKILL')
    const { ending } = await runner.ended(spec.id)
    assert.deepEqual([ending?.exitCode, ending?.cause.code, ending?.stopped], [137, 'signalled', false])
  })

  it('kills a stopped runtime and its container with the supervisor', async () => {
    // The supervisor dies at some moment of the start: whatever there is by then must go, and nothing may run twice.
    for (let i = 0; i < 8; i++) {
      const spec = runner.script('echo ran >> ran; sleep 600')
      await runner.executor.start(spec)
      const deadline = Date.now() + 10_000
      let pid: number | undefined
      while (pid === undefined && Date.now() < deadline)
        try {
          pid = tested.supervisorPid(spec.id)
        } catch {
          await new Promise((resolve) => setImmediate(resolve)) // it is not there yet
        }
      assert.ok(pid !== undefined)
      await new Promise((resolve) => setTimeout(resolve, i * 6)) // eight places in the 50 ms that a start takes
      process.kill(pid, 'SIGKILL')
      const { ending } = await runner.ended(spec.id)
      assert.ok(['lost', 'start-failed'].includes(ending?.cause.code ?? ''), JSON.stringify(ending))
      await tested.tidy()
    }
    const counted = runner.script('wc -l < ran; rm -f ran')
    await runner.run(counted)
    assert.ok(Number.parseInt(await runner.log(counted.id)) <= 8 || (await runner.log(counted.id)).includes('ran'))
  })

  it('goes on when the fork server was killed', async () => {
    const spec = runner.script('echo up; while [ ! -e go ]; do sleep 0.1; done; rm go; exit 8')
    await runner.executor.start(spec)
    await runner.logHas(spec.id, 'up')
    const forkServer = tested.forkServerPid()
    assert.ok(forkServer !== undefined)
    process.kill(forkServer, 'SIGKILL')
    assert.equal((await runner.run(runner.script('touch go'))).ending?.exitCode, 0)
    assert.equal((await runner.ended(spec.id)).ending?.exitCode, 8)
  })

  it('discards folders that were never completed', async () => {
    await tested.executor.close()
    const half = tested.attemptFolder('half-1')
    await mkdir(half)
    await writeFile(join(half, 'config.json'), '{}')
    await reopen()
    assert.equal(await runner.find('half-1'), undefined)
    assert.equal(existsSync(half), false)
  })

  it('starts a prepared attempt again when the server was killed before its supervisor started', async () => {
    await tested.executor.close()
    const spec = runner.script('echo once')
    const folders = foldersOf(tested.dataDir)
    const image = await fixedImages(tested.rootfs).prepare(spec.image, { signal: new AbortController().signal })
    const network = { placement: { type: 'host' }, resolvConf: '', hosts: '' } as const
    await writeAttemptFolder(
      spec,
      image,
      { network, gpus: undefined },
      {
        folders,
        sharedFiles: new SharedFiles(folders.names),
        machine: await readMachine(tested.instance),
        runtime: 'runc',
        logLimitBytes: 1 << 20,
        pidsLimit: 100,
      },
    )
    assert.deepEqual(await readdir(tested.attemptFolder(spec.id)), ['prepared'])
    await reopen()
    assert.equal(await runner.find(spec.id), undefined)
    assert.equal((await runner.run(spec)).ending?.exitCode, 0)
    assert.equal(await runner.log(spec.id), 'once\n')
  })

  it('reports why a supervisor failed before anything ran, and leaves nothing of the attempt', async () => {
    const spec = runner.script('true')
    const root = tested.rootfs
    await rename(root, `${root}-away`)
    try {
      const { ending } = await runner.run(spec)
      assert.equal(ending?.cause.code, 'start-failed')
      assert.match(ending.cause.message, /cannot mount the container's root/)
    } finally {
      await rename(`${root}-away`, root)
    }
    await tested.tidy()
    assert.deepEqual((await readdir(tested.attemptFolder(spec.id))).sort(), ['cleaned', 'log'])
  })

  it('never runs a forgotten attempt', async () => {
    const spec = runner.script('echo ran >> twice')
    await runner.run(spec)
    await runner.executor.forget(spec.id)
    await runner.executor.start(spec)
    assert.equal((await runner.ended(spec.id)).ending?.cause.code, 'start-failed')
    const counted = runner.script('wc -l < twice; rm twice')
    await runner.run(counted)
    assert.equal(await runner.log(counted.id), '1\n')
  })
})

/** Whether a process is there and not one that only waits to be looked after. */
function isRunning(pid: number): boolean {
  const path = `/proc/${pid}/stat`
  return existsSync(path) && !/\) [ZX] /.test(readFileSync(path, 'utf8'))
}
