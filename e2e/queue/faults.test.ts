import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Job } from '@science-platform/contract'
import { eventually, Platform, testImage } from '../support/platform.ts'

let platform: Platform

before(async () => {
  // A half-life that is long for this test.
  platform = await Platform.make('capacity: {cores: 4, memoryGb: 4}\nqueue: {halfLifeHours: 80000}\n')
  await platform.start()
})
after(() => platform[Symbol.asyncDispose]())

const used = async (): Promise<number> => {
  const { holders } = await platform.jobs().queue()
  return holders.find(({ kind }) => kind === 'user')?.coreHours ?? 0
}
const heldCoreHours = (jobs: readonly Job[]): number =>
  jobs
    .flatMap(({ attempts, resources }) => attempts.map((attempt) => ({ ...attempt, cores: resources.cores.request })))
    .reduce(
      (sum, { placedAt, endedAt = '', cores }) => sum + ((Date.parse(endedAt) - Date.parse(placedAt)) * cores) / 3.6e6,
      0,
    )
const isNear = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-3 * Math.max(a, b)

test('a server that is killed repeatedly starts every job once and charges it once', async () => {
  const { ids } = await platform.jobs().submit({
    name: 'once',
    image: testImage,
    cmd: 'sh',
    args: ['-c', 'echo $skaha_sessionid >> once; sleep 0.3'],
    cores: 1,
    memoryGb: 1,
    replicas: 24,
  })
  for (let kills = 0; kills < 6; kills++) {
    const before = (await platform.jobs().list({ state: 'succeeded', limit: 1000 })).jobs.length
    await eventually('some more to end', async () => {
      const now = (await platform.jobs().list({ state: 'succeeded', limit: 1000 })).jobs.length
      return now > before || now === ids.length
    })
    await platform.stop('SIGKILL')
    await platform.start()
  }
  const jobs = await platform.jobs().wait(ids)
  assert.deepEqual(new Set(jobs.map(({ state }) => state)), new Set(['succeeded']))
  const lines = (await readFile(join(platform.dataDir, 'arc/home/ada/once'), 'utf8')).trim().split('\n')
  assert.deepEqual(lines.toSorted(), [...ids].toSorted())
  const held = heldCoreHours(jobs)
  assert.ok(isNear(await used(), held), `${await used()} core-hours were charged, ${held} held`)
})

test('lost shares are recomputed from the stored ends', async () => {
  const before = await used()
  await platform.stop()
  const database = new DatabaseSync(join(platform.dataDir, 'platform.db'))
  database.exec('delete from shares')
  database.close()
  await platform.start()
  assert.ok(isNear(await used(), before), `${await used()} is ${before}`)
})

test('when a node returns smaller, jobs that no longer fit get that reason, and others run', async () => {
  const filler = await platform.submit('sleep 600', { cores: 4, memoryGb: 1 })
  await platform.becomes(filler, 'running')
  const large = await platform.submit('true', { cores: 4, memoryGb: 1 })
  const small = await platform.submit('true', { cores: 1, memoryGb: 1 })
  await platform.stop('SIGKILL')
  const config = await readFile(platform.config, 'utf8')
  await writeFile(platform.config, config.replace('cores: 4', 'cores: 2'))
  await platform.start()
  const told = await eventually('the reason', async () => {
    const why = await platform.jobs().why(large)
    return why.reason?.kind === 'no-node' ? why : undefined
  })
  assert.match(told.summary, /No node that is there now could hold 4 cores.*; the largest has 2 cores/)
  assert.equal((await platform.jobs().get(filler)).state, 'running', 'what runs goes on')
  await platform.jobs().cancel(filler)
  assert.equal((await platform.ended(small)).state, 'succeeded')
  await assert.rejects(platform.submit('true', { cores: 4 }), /cores is 4/)
  await platform.jobs().cancel(large)
})

test('waiting jobs of a disabled user run, unless their cancellation was requested', async () => {
  await platform.admin('user', 'add', 'chief', '--admin')
  const chief = platform.jobs(await platform.admin('token', 'create', 'chief', '--scope', 'read,submit,manage,admin'))
  for (const [name, options] of [
    ['eve', ['--cancel-jobs']],
    ['fay', []],
  ] as const) {
    await platform.admin('user', 'add', name)
    const theirs = platform.jobs(await platform.admin('token', 'create', name))
    const filler = await platform.submit('sleep 600', { cores: 2, memoryGb: 4 })
    await platform.becomes(filler, 'running')
    const asked = { name: 'theirs', image: testImage, cmd: 'true', cores: 2, memoryGb: 1, replicas: 3 }
    const { ids } = await theirs.submit(asked)
    await platform.admin('user', 'disable', name, ...options)
    await eventually('the token to be refused', () => theirs.list().then(() => false, () => true)) // prettier-ignore
    if (options.length > 0) await chief.wait(ids)
    const waiting = await Promise.all(ids.map((id) => chief.get(id)))
    await platform.jobs().cancel(filler)
    const jobs = await chief.wait(ids)
    const endings = jobs.map(({ state, cause, startedAt }) => [state, cause?.code, startedAt !== undefined])
    if (options.length > 0) {
      assert.deepEqual(endings, Array(3).fill(['cancelled', 'cancelled', false]))
      for (const { cause } of jobs) assert.match(cause?.message ?? '', /disabled/)
    } else {
      assert.deepEqual(waiting.map(({ state }) => state), Array(3).fill('queued')) // prettier-ignore
      assert.deepEqual(endings, Array(3).fill(['succeeded', 'exited', true]))
    }
    await platform.ended(filler)
  }
})
