import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { eventually, Platform, testImage } from './support/platform.ts'

/** Milliseconds after the submission at which the server is killed, in turn on the same platform. */
const moments = [0, 20, 60, 120, 250, 400, 700, 1_100, 1_600, 2_400]

test('after SIGKILL at ten moments with 20 running and 200 waiting jobs, no job is lost or runs twice', async () => {
  await using platform = await Platform.make('capacity: {cores: 20, memoryGb: 20}\n')
  await platform.start()
  const jobs = platform.jobs()
  // Each task prints its number once and exits with its own code after about a second.
  const line =
    'echo "task $REPLICA_ID"; echo $REPLICA_ID >> runs; sleep 0.$((REPLICA_ID % 9)); exit $((REPLICA_ID % 7))'
  const { ids } = await jobs.submit({
    name: 'storm',
    image: testImage,
    cmd: 'sh',
    args: ['-c', line],
    cores: 1,
    memoryGb: 1,
    replicas: 220,
  })
  let killed = 0
  for (const moment of moments) {
    await wait(moment)
    await platform.stop('SIGKILL')
    killed++
    await platform.start()
  }
  assert.equal(killed, 10)
  await jobs.wait(ids, { signal: AbortSignal.timeout(240_000) })
  for (const [i, id] of ids.entries()) {
    const job = await jobs.get(id)
    const code = (i + 1) % 7
    assert.equal(job.state, code === 0 ? 'succeeded' : 'failed', `${id}: ${job.cause?.message}`)
    assert.equal(job.exitCode, code)
    assert.equal(job.attempts.length, 1)
    assert.equal(await platform.logOf(id), `task ${i + 1}\n`)
  }
  const { log } = await platform.run('sort -n runs | uniq -c | sort -n | tail -n 1; wc -l < runs')
  assert.match(log, /^\s*1 \d+\n220\n$/, 'every task ran once')
  await eventually('nothing to be left running', async () => (await platform.processes()).length === 0)
  assert.deepEqual(await platform.mounts(), [])
})

test('a restarted server finds the ends of jobs that ran while it was stopped', async () => {
  await using platform = await Platform.make()
  await platform.start()
  const short = await platform.submit('echo begun; until [ -e go ]; do sleep 0.1; done; echo done; exit 5')
  const long = await platform.submit('echo begun; sleep 600')
  await platform.becomes(short, 'running')
  await platform.becomes(long, 'running')
  assert.equal(await platform.stop('SIGTERM'), 0)
  await writeFile(join(platform.dataDir, 'arc/home/ada/go'), '')
  await eventually(
    'the short one to end',
    async () => !(await platform.processes()).some((line) => line.includes(short)),
  )
  await platform.start()
  const ended = await platform.ended(short)
  assert.equal(ended.exitCode, 5)
  assert.equal(await platform.logOf(short), 'begun\ndone\n')
  await platform.jobs().cancel(long)
  assert.equal((await platform.ended(long)).state, 'cancelled')
})
