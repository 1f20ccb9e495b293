import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { AttemptRunner } from '../attempt-runner.ts'
import { busyboxReference } from './testing/busybox-root.ts'
import { ada, OciUnderTest, whyNoContainers } from './testing/oci-under-test.ts'

const skip = whyNoContainers() ?? false
let tested: OciUnderTest
let runner: AttemptRunner
let made = 0

before(async () => {
  if (skip !== false) return
  tested = await OciUnderTest.open()
  runner = new AttemptRunner(tested.executor, { image: busyboxReference, account: ada }, 'growth')
})
after(() => tested?.close())

/** Runs jobs with a name of their own each, three at a time, and forgets them. */
async function runJobs(count: number): Promise<void> {
  let left = count
  const runOne = async (): Promise<void> => {
    while (left-- > 0) {
      const spec = runner.script('echo done', { name: `job-${++made}` })
      await runner.run(spec)
      await runner.executor.forget(spec.id)
    }
  }
  await Promise.all([runOne(), runOne(), runOne()])
  await tested.tidy()
  // The folder goes after the attempt was forgotten.
  const attempts = join(tested.dataDir, 'attempts')
  while ((await readdir(attempts)).length > 0) await new Promise((resolve) => setImmediate(resolve))
}

/** What this process and its data folder hold, but for the logs. */
async function held(): Promise<unknown> {
  const resources = process.getActiveResourcesInfo().filter((name) => name !== 'Immediate' && name !== 'Timeout')
  return {
    files: (await readdir(tested.dataDir, { recursive: true })).filter((path) => !path.startsWith('logs/')).sort(),
    descriptors: (await readdir('/proc/self/fd')).length,
    resources: resources.sort(),
    listed: (await runner.executor.list()).length,
  }
}

it('many short jobs leave nothing behind but their logs', { skip }, async () => {
  await runJobs(3)
  const before = await held()
  await runJobs(24)
  assert.deepEqual(await held(), before)
  assert.equal((await readdir(join(tested.dataDir, 'logs'))).length, 27)
})
