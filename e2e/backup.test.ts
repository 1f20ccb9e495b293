import assert from 'node:assert/strict'
import { cp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { eventually, Platform } from './support/platform.ts'

/** Runs until a test lets it go on, and then ends with a code of its own. */
const until = (name: string, code: number): string =>
  `echo ${name} up; until [ -e ${name} ]; do sleep 0.1; done; echo ${name} down; exit ${code}`
const small = { cores: 1, memoryGb: 1 }

describe('a database that is lost while jobs run', () => {
  let platform: Platform
  let file: string
  before(async () => {
    platform = await Platform.make('capacity: {cores: 8, memoryGb: 8}\n')
    file = join(platform.folder, 'platform.backup')
    await platform.start()
  })
  after(() => platform[Symbol.asyncDispose]())

  const runs = async (name: string, code: number): Promise<string> => {
    const id = await platform.submit(until(name, code), { name, ...small })
    await platform.becomes(id, 'running')
    await eventually('its first words', async () => (await platform.logOf(id)) !== '')
    return id
  }
  const letGo = (name: string) => writeFile(join(platform.dataDir, 'arc/home/ada', name), '')
  const ready = async (): Promise<string> => (await fetch(`${platform.url}/readyz`)).text()
  const metric = async (): Promise<string> => {
    const chief = await platform.admin('token', 'create', 'chief', '--scope', 'admin')
    const headers = { authorization: `Bearer ${chief}` }
    const text = await (await platform.fetch('/metrics', { headers })).text()
    return /^science_platform_unrecorded_attempts (\d+)$/m.exec(text)?.[1] ?? ''
  }
  const database = async (): Promise<string[]> =>
    (await readdir(platform.dataDir)).filter((name) => name.startsWith('platform.db'))
  const loseDatabase = async (): Promise<void> => {
    for (const name of await database()) await rm(join(platform.dataDir, name))
  }
  /** The id of the change log, from the id of an event. */
  const logId = async (): Promise<string> => {
    const answer = await platform.fetch('/api/v1/changes', { signal: AbortSignal.timeout(60_000) })
    for await (const bytes of answer.body ?? []) {
      const id = /^id: (\w+)-\d+$/m.exec(Buffer.from(bytes).toString())?.[1]
      if (id !== undefined) return id
    }
    throw new Error('no event came')
  }
  const ending = async (id: string): Promise<readonly unknown[]> => {
    const { owner, state, exitCode, attempts } = await platform.ended(id)
    return [owner, state, exitCode, attempts.length, await platform.logOf(id)]
  }

  it('comes back from a backup: what ran goes on, and what started after the backup is adopted', async () => {
    await platform.admin('user', 'add', 'chief', '--admin')
    const { job: done } = await platform.run('echo done; exit 3')
    const running = await runs('running', 4)
    const queued = await platform.submit('echo later', {
      name: 'queued',
      after: new Date(Date.now() + 3_600_000).toISOString(),
    })
    const before = await logId()
    const said = JSON.parse(await platform.admin('backup', file, '--logs', '--json')) as { bytes: number; logs: number }
    assert.ok(said.bytes > 0 && said.logs >= 1, JSON.stringify(said))
    const later = await runs('later', 5)
    await platform.stop('SIGKILL')

    await assert.rejects(platform.admin('restore', file, '--keep-tokens'), /platform\.db exists/)
    await loseDatabase()
    await rm(join(platform.dataDir, 'logs', `${done.id}-1.log`))
    await rename(join(platform.dataDir, 'seal.key'), join(platform.folder, 'seal.key'))
    await assert.rejects(platform.admin('restore', file), /Say --keep-tokens or --revoke-tokens/)
    const missing = new RegExp(
      `${platform.dataDir}/seal\\.key is missing[^]*fix: Copy the seal\\.key of the platform to`,
    )
    await assert.rejects(platform.admin('restore', file, '--keep-tokens'), missing)
    assert.deepEqual(await database(), [])
    await cp(join(platform.folder, 'seal.key'), join(platform.dataDir, 'seal.key'))
    await platform.admin('restore', file, '--revoke-tokens')
    await platform.start()

    assert.equal((await platform.fetch('/api/v1/jobs')).status, 401)
    platform.token = await platform.admin('token', 'create', 'ada')
    assert.notEqual(await logId(), before)
    const job = await platform.becomes(later, 'running')
    assert.deepEqual([job.owner, job.name, job.cmd, job.resources.cores.request], ['ada', 'later', ['sh'], 1])
    assert.equal((await platform.jobs().get(running)).state, 'running')
    assert.equal((await platform.jobs().get(queued)).state, 'queued')
    assert.equal(await ready(), 'ready\n')
    for (const name of ['running', 'later']) await letGo(name)
    assert.deepEqual(await ending(running), ['ada', 'failed', 4, 1, 'running up\nrunning down\n'])
    assert.deepEqual(await ending(later), ['ada', 'failed', 5, 1, 'later up\nlater down\n'])
    assert.deepEqual(await ending(done.id), ['ada', 'failed', 3, 1, 'done\n'])
    await platform.jobs().cancel(queued)
  })

  it('is replaced by an older copy by hand: its jobs run on, and are adopted when the operator says so', async () => {
    await platform.stop()
    const copy = join(platform.folder, 'copy')
    for (const name of await database()) await cp(join(platform.dataDir, name), join(copy, name))
    await platform.start()
    const id = await runs('copied', 6)
    await platform.stop('SIGKILL')
    await loseDatabase()
    for (const name of await readdir(copy)) await cp(join(copy, name), join(platform.dataDir, name))
    await platform.start()

    await eventually('it to be reported', async () => (await metric()) === '1')
    assert.match(await ready(), /^ready\n1 attempts have no record in the database .*science-platform adopt/)
    assert.match(platform.log, new RegExp(`${id}-1.*without a record`))
    assert.equal((await platform.fetch(`/api/v1/jobs/${id}`)).status, 404)
    const shown = JSON.parse(await platform.admin('adopt', '--json')) as { adopted: boolean; attempts: object[] }
    assert.equal(shown.adopted, false)
    assert.partialDeepStrictEqual(shown.attempts, [{ id: `${id}-1`, owner: 'ada', name: 'copied' }])
    assert.match(await platform.admin('adopt'), new RegExp(`${id}-1 +ada +copied`))
    assert.equal((await platform.fetch(`/api/v1/jobs/${id}`)).status, 404, 'nothing was changed')
    await platform.admin('adopt', '--yes')
    await platform.becomes(id, 'running')
    await letGo('copied')
    assert.deepEqual(await ending(id), ['ada', 'failed', 6, 1, 'copied up\ncopied down\n'])
    await eventually('readiness without a notice', async () => (await ready()) === 'ready\n')
    assert.match(await platform.admin('adopt', '--json'), /"attempts": \[\]/)
  })
})
