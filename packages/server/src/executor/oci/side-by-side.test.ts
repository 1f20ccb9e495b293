import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it, mock } from 'node:test'
import { printReference, requireReference } from '../../job/image-reference.ts'
import { AttemptRunner } from '../attempt-runner.ts'
import { busyboxReference, fixedImages } from './testing/busybox-root.ts'
import { ada, OciUnderTest, whyNoContainers } from './testing/oci-under-test.ts'

const stuckImage = requireReference('localhost/test/stuck:1')

describe('many attempts side by side', { skip: whyNoContainers() ?? false }, () => {
  let tested: OciUnderTest
  let runner: AttemptRunner
  /** Ends the tool that unpacks the stuck image, and ignored that it was aborted. */
  const unstick = Promise.withResolvers<never>()
  unstick.promise.catch(() => undefined)

  before(async () => {
    tested = await OciUnderTest.open()
    const images = fixedImages(tested.rootfs)
    await tested.reopen({
      images: {
        prepare: (reference, options) =>
          printReference(reference) === printReference(stuckImage)
            ? unstick.promise
            : images.prepare(reference, options),
      },
    })
    runner = new AttemptRunner(tested.executor, { image: busyboxReference, account: ada }, 'beside')
  })
  after(() => tested.close())

  it('stop at once while a tool that does not end unpacks their image', async () => {
    const stuck = Array.from({ length: 6 }, () => runner.script('true', { image: stuckImage }))
    await Promise.all(stuck.map((spec) => runner.executor.start(spec)))
    await Promise.all(stuck.flatMap(({ id }) => [runner.executor.stop(id, 30), runner.executor.stop(id, 0)]))
    for (const { id } of stuck) {
      const { ending } = (await runner.find(id)) ?? {}
      assert.deepEqual([ending?.cause.code, ending?.stopped], ['cancelled', true])
      await Promise.all([runner.executor.forget(id), runner.executor.forget(id)])
    }
    assert.equal((await runner.run(runner.script('exit 3'))).ending?.exitCode, 3)
  })

  it('do not wait for the removal of another attempt’s files', async () => {
    const slow = runner.script('i=0; while [ $i -lt 1000 ]; do : > /scratch/$i; i=$((i+1)); done')
    await runner.executor.start(slow)
    await runner.running(slow.id)
    const supervisor = tested.supervisorPid(slow.id)
    await runner.ended(slow.id)
    // Where it still removes files it goes on only after the others are done.
    const stopped = kill(supervisor, 'SIGSTOP')
    await Promise.all([runner.executor.forget(slow.id), runner.executor.forget(slow.id)])
    const others = Array.from({ length: 4 }, () => runner.script('exit 4'))
    for (const { ending } of await Promise.all(others.map((spec) => runner.run(spec))))
      assert.equal(ending?.exitCode, 4)
    await Promise.all(others.map(({ id }) => runner.executor.forget(id)))
    if (stopped) kill(supervisor, 'SIGCONT')
    await tested.tidy()
  })

  it('do not wait for an attempt whose supervisor hangs', async () => {
    const kept = runner.script('sleep 600')
    await runner.executor.start(kept)
    await runner.running(kept.id)
    const supervisor = tested.supervisorPid(kept.id)
    kill(supervisor, 'SIGSTOP')
    await Promise.all([runner.executor.stop(kept.id, 0), runner.executor.stop(kept.id, 0)])
    assert.equal((await runner.run(runner.script('exit 5'))).ending?.exitCode, 5)
    assert.equal((await runner.find(kept.id))?.phase, 'running')
    kill(supervisor, 'SIGCONT')
    assert.equal((await runner.ended(kept.id)).ending?.stopped, true)
  })

  it('start, stop and are forgotten in any order, and each runs at most once', async () => {
    const specs = Array.from({ length: 12 }, (_, i) =>
      runner.script(`echo ${i} >> ran; sleep ${i % 3 === 0 ? 0 : 600}`),
    )
    await Promise.all(specs.flatMap((spec) => [runner.executor.start(spec), runner.executor.start(spec)]))
    await Promise.all(
      specs.map(async (spec, i) => {
        if (i % 3 === 1) await runner.running(spec.id)
        if (i % 3 !== 0) await Promise.all([runner.executor.stop(spec.id, 0), runner.executor.stop(spec.id, 0)])
        const { ending } = await runner.ended(spec.id)
        assert.equal(ending?.stopped, i % 3 !== 0)
        await Promise.all([runner.executor.forget(spec.id), runner.executor.forget(spec.id)])
        await runner.executor.start(spec)
      }),
    )
    for (const spec of specs) {
      // What was never launched has no log to be known by, and may run now.
      await runner.executor.stop(spec.id, 0)
      await runner.ended(spec.id)
    }
    await tested.tidy()
    const ran = await readFile(join(tested.dataDir, 'arc/home/ada/ran'), 'utf8')
    for (const i of specs.keys()) {
      const times = ran.split('\n').filter((line) => line === String(i)).length
      // A stopped one may have been killed before its first command.
      assert.ok(i % 3 === 0 ? times === 1 : times <= 1, `task ${i} ran ${times} times`)
    }
  })

  it('do not keep the executor from closing', async () => {
    const stuck = runner.script('true', { image: stuckImage })
    await runner.executor.start(stuck)
    mock.timers.enable({ apis: ['setTimeout'] })
    const closing = tested.executor.close()
    let closed = false
    void closing.then(() => (closed = true))
    while (!closed) {
      mock.timers.tick(10_000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    mock.timers.reset()
    unstick.reject(new Error('it has ended'))
    await tested.reopen()
  })
})

/** False when the process is gone. */
function kill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
