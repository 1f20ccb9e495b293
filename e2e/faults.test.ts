import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { join } from 'node:path'
import { startRegistry, pushImage, type TestRegistry } from '../packages/server/src/image/testing/registry.ts'
import { busyboxImage } from '../packages/server/src/image/testing/busybox-image.ts'
import { machineArchitecture } from '../packages/server/src/image/manifest.ts'
import { onlyInAll } from './support/all.ts'
import { eventually, Platform } from './support/platform.ts'

let platform: Platform
let registry: TestRegistry
let privateRegistry: TestRegistry
const account = { user: 'ada', password: 'to the stars' }

before(async () => {
  platform = await Platform.make('limits: {logMb: 1, processes: 64}\ncapacity: {cores: 4, memoryGb: 4}\n')
  registry = await startRegistry(join(platform.folder, 'registry'))
  privateRegistry = await startRegistry(join(platform.folder, 'private'), { account })
  const { writeFile } = await import('node:fs/promises')
  const hosts = [registry.host, privateRegistry.host, '127.0.0.1:1']
  await writeFile(
    platform.config,
    `${await readFile(platform.config, 'utf8')}images: {registries: ["${hosts.join('", "')}"], insecure: ["${hosts.join('", "')}"], waitSeconds: 0}\n`,
  )
  const archive = join(platform.folder, 'pushed.tar')
  await busyboxImage({ archive, cmd: ['echo', 'from a registry'] })
  await pushImage(archive, registry, 'team/tool:1')
  await pushImage(archive, privateRegistry, 'team/secret:1', { account })
  const foreign = machineArchitecture === 'arm64' ? 'amd64' : 'arm64'
  await busyboxImage({ archive, architectures: [foreign] })
  await pushImage(archive, registry, 'team/foreign:1')
  await platform.start()
})

after(async () => {
  await platform[Symbol.asyncDispose]()
  await registry.stop()
  await privateRegistry.stop()
})

/** Runs an image with its own command. */
async function runImage(image: string, headers: Record<string, string> = {}) {
  const response = await platform.fetch('/skaha/v1/session', {
    method: 'POST',
    headers,
    body: new URLSearchParams({ name: 'pull', image, type: 'headless' }),
  })
  assert.equal(response.status, 200)
  const job = await platform.ended((await response.text()).trim())
  return { job, log: await platform.logOf(job.id) }
}

test('an image from a registry runs, and its digest is recorded', async () => {
  const { job, log } = await runImage(`${registry.host}/team/tool:1`)
  assert.equal(log, 'from a registry\n')
  assert.match(job.imageDigest ?? '', /^sha256:[0-9a-f]{64}$/)
})

test('a missing, foreign, private or unreachable image fails with that cause and a hint', async () => {
  const causes = {
    [`${registry.host}/team/nothing:1`]: 'image-not-found',
    'localhost/team/nothing:1': 'image-not-found',
    [`${registry.host}/team/foreign:1`]: 'image-wrong-platform',
    [`${privateRegistry.host}/team/secret:1`]: 'image-unauthorized',
    '127.0.0.1:1/team/tool:1': 'image-unreachable',
  }
  for (const [image, code] of Object.entries(causes)) {
    const { job } = await runImage(image)
    assert.equal(job.state, 'failed')
    assert.equal(job.cause?.code, code, `${image}: ${job.cause?.message}`)
    assert.ok((job.cause?.hint ?? '') !== '', image)
    assert.equal(job.exitCode, undefined)
  }
})

test('credentials of a submission give access to a private registry, and are never stored in clear text', async () => {
  const auth = Buffer.from(`${account.user}:${account.password}`).toString('base64')
  const { log } = await runImage(`${privateRegistry.host}/team/secret:1`, { 'x-skaha-registry-auth': auth })
  assert.equal(log, 'from a registry\n')
  assert.ok(!platform.log.includes(account.password) && !platform.log.includes(auth))
  const database = await readFile(join(platform.dataDir, 'platform.db'), 'latin1')
  assert.ok(!database.includes(account.password) && !database.includes(auth))
})

test('a job over its memory limit has that cause, with the limit and the peak', async () => {
  const { job } = await platform.run('x=$(yes | head -c 2000000000); echo survived', { memoryGb: 1 })
  assert.equal(job.state, 'failed')
  assert.equal(job.cause?.code, 'out-of-memory')
  assert.match(job.cause.message, /1(\.0)? GiB/)
  assert.ok((job.usage?.memoryPeakBytes ?? 0) > 0.9 * 2 ** 30)
})

test('a fork bomb is stopped by the process limit, and the platform continues to work', async () => {
  // At the limit the shell cannot fork either: a later sleep would end it.
  const bomb = await platform.submit('sleep 600 & bomb() { bomb | bomb & }; bomb; wait', { graceSeconds: 1 })
  await platform.becomes(bomb, 'running')
  const { job } = await platform.run('echo fine')
  assert.equal(job.exitCode, 0)
  await platform.jobs().cancel(bomb)
  assert.equal((await platform.ended(bomb)).state, 'cancelled')
})

test('a job that ignores SIGTERM is killed after its grace period, with all of its processes', async () => {
  const id = await platform.submit('trap "" TERM; sleep 600 & while :; do sleep 1; done', { graceSeconds: 1 })
  await platform.becomes(id, 'running')
  await platform.jobs().cancel(id)
  const job = await platform.ended(id)
  assert.equal(job.state, 'cancelled')
  await eventually('nothing to be left running', async () => (await platform.processes()).length === 0)
})

test('a job that handles SIGTERM can finish its work', async () => {
  const id = await platform.submit('trap "echo saved; exit 0" TERM; echo ready; while :; do sleep 0.1; done')
  await eventually('the job to be ready', async () => (await platform.logOf(id)).includes('ready'))
  await platform.jobs().cancel(id)
  assert.equal((await platform.ended(id)).state, 'cancelled')
  assert.match(await platform.logOf(id), /^ready\n[^]*saved\n$/)
})

test('a log of 1 GB keeps its beginning and its end, and marks the gap', { skip: onlyInAll }, async () => {
  const { job, log } = await platform.run('echo first; yes 0123456789abcdef | head -c 1000000000; echo; echo last')
  assert.equal(job.exitCode, 0)
  assert.ok(log.length < 1.2 * 2 ** 20)
  assert.ok(log.startsWith('first\n'))
  assert.ok(log.endsWith('\nlast\n'))
  assert.match(log, /bytes left out/)
})

test('the log is complete for a job that closes its output, and for one that ends before it is followed', async () => {
  const { job, log } = await platform.run('echo begun; exec >&- 2>&-; sleep 0.5; exit 4')
  assert.equal(job.exitCode, 4)
  assert.equal(log, 'begun\n')
  const { job: done } = await platform.run('echo only')
  assert.equal(await (await platform.fetch(`/api/v1/jobs/${done.id}/logs?follow=1`)).text(), 'only\n')
})

test('a supervisor or container killed from outside ends as lost or signalled, without leftovers', async () => {
  const first = await platform.submit('echo begun; sleep 600')
  await eventually('output', async () => (await platform.logOf(first)) === 'begun\n')
  const supervisors = (await platform.processes()).filter((line) => line.includes(first) && line.includes('supervise'))
  for (const line of supervisors) process.kill(Number.parseInt(line), 'SIGKILL')
  assert.ok(supervisors.length > 0)
  const lost = await platform.ended(first)
  assert.equal(lost.cause?.code, 'lost')
  assert.equal(await platform.logOf(first), 'begun\n')

  // A number that no other process of this machine has in its command line.
  const seconds = 1_000_000 + process.pid
  const second = await platform.submit(`echo begun; exec sleep ${seconds}`)
  await eventually('output', async () => (await platform.logOf(second)) === 'begun\n')
  const { execFileSync } = await import('node:child_process')
  execFileSync('pkill', ['-KILL', '-f', `^sleep ${seconds}$`])
  const killed = await platform.ended(second)
  assert.equal(killed.exitCode, 137)
  assert.equal(killed.cause?.code, 'signalled')
  await eventually('nothing to be left running', async () => (await platform.processes()).length === 0)
  assert.deepEqual(await platform.mounts(), [])
})

test('the cause names a program that is missing in the image', async () => {
  const id = (
    await platform.jobs().submit({ name: 'none', image: 'localhost/test/busybox:1', cmd: 'no-such-program -x' })
  ).ids[0]
  const job = await platform.ended(id ?? '')
  assert.equal(job.cause?.code, 'command-not-found')
  assert.match(job.cause.message, /no-such-program/)
})

test('a job over its time limit ends with that cause', async () => {
  const { job } = await platform.run('sleep 600', { timeSeconds: 1, graceSeconds: 1 })
  assert.equal(job.state, 'failed')
  assert.equal(job.cause?.code, 'time-limit')
})
