import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, test } from 'node:test'
import { openSeal } from '../../lib/secrets/seal.ts'
import { runTool } from '../../lib/tool.ts'
import { someJob } from '../testing/some-job.ts'
import { restoreBackup, writeBackup, type BackupSource, type CopyControl } from './backup.ts'
import { openSqliteStore, sealFile } from './open.ts'

let folder: string
let file: string
const steps: string[] = []
const control: CopyControl = { onProgress: (text) => steps.push(text), signal: new AbortController().signal }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sp-backup-'))
  file = join(folder, 'platform.backup')
  for (const name of ['data', 'restored']) await mkdir(join(folder, name))
})
afterEach(() => rm(folder, { recursive: true }))

const database = (): string => join(folder, 'data', 'platform.db')
const source = async (parts: Partial<BackupSource> = {}): Promise<BackupSource> => ({
  database: database(),
  seal: await openSeal(join(folder, 'data', sealFile)),
  version: '1.2.3',
  now: 77,
  ...parts,
})
const restore = async (tokens: 'keep' | 'revoke' = 'keep', check: (path: string) => Promise<void> = async () => {}) =>
  restoreBackup(
    file,
    {
      database: join(folder, 'restored', 'platform.db'),
      logs: join(folder, 'restored', 'logs'),
      seal: await openSeal(join(folder, 'restored', sealFile)),
      tokens,
      now: 99,
    },
    check,
    control,
  )
const takeKey = () => cp(join(folder, 'data', sealFile), join(folder, 'restored', sealFile))
const openRestored = () => openSqliteStore(join(folder, 'restored', 'platform.db'))
const person = { name: 'ada', uid: 1001, gid: 1001, admin: false, groups: [] }

test('a backup while another process writes is one moment of the database, and comes back with its identity and another log id', async () => {
  const store = await openSqliteStore(database())
  await store.changeDirectory(() => [{ type: 'user', user: person }])
  const scopes = ['read']
  await store.addToken({ id: 't', prefix: 'sp_abcdef', hash: 'h', account: 'ada', name: 'n', scopes, createdAt: 1 })
  const before = Array.from({ length: 200 }, () => someJob({ owner: 'ada', args: ['x'.repeat(20_000)] }))
  await store.submit({ jobs: before, events: [] })
  // Each step of the copy is answered by a write of another connection, which would start an unguarded copy again.
  const written: Promise<unknown>[] = []
  const facts = await writeBackup(file, await source(), {
    ...control,
    onProgress: () => written.push(store.submit({ jobs: [someJob({ owner: 'ada' })], events: [] })),
  })
  await Promise.all(written)
  assert.ok(written.length > 0)
  assert.deepEqual(facts, { version: '1.2.3', at: 77, identity: store.identity, logs: 0 })
  await store.close()
  await takeKey()
  assert.deepEqual(await restore(), { ...facts, tokensRevoked: 0 })
  const restored = await openRestored()
  assert.deepEqual(
    (await restored.notEnded()).map(({ id, args }) => [id, args]),
    before.map(({ id, args }) => [id, args]),
  )
  assert.equal(restored.identity, store.identity)
  assert.notEqual(restored.logId, store.logId)
  assert.equal(await restored.restoredAt(), 99)
  assert.equal((await restored.tokenByHash('h'))?.revokedAt, undefined)
  await restored.noteAdopted()
  assert.equal(await restored.restoredAt(), undefined)
  await restored.close()
})

test('tokens are revoked where that is asked for, and what the check writes is kept', async () => {
  const store = await openSqliteStore(database())
  await store.changeDirectory(() => [{ type: 'user', user: person }])
  const scopes = ['read']
  await store.addToken({ id: 't', prefix: 'sp_abcdef', hash: 'h', account: 'ada', name: 'n', scopes, createdAt: 1 })
  await store.close()
  await writeBackup(file, await source(), control)
  await takeKey()
  const { tokensRevoked } = await restore('revoke', async (path) => {
    const checked = await openSqliteStore(path)
    await checked.addAudit([{ at: 1, via: 'command', action: 'restore', outcome: 'done', count: 1 }])
    await checked.close()
  })
  assert.equal(tokensRevoked, 1)
  assert.deepEqual((await readdir(join(folder, 'restored'))).toSorted(), ['platform.db', sealFile])
  const restored = await openRestored()
  assert.equal((await restored.tokenByHash('h'))?.revokedAt, 99)
  assert.equal((await restored.audit({ order: 'newest-first', limit: 5 })).length, 1)
  await restored.close()
})

test('logs come along where that is asked for: empty ones, large ones, and none over one that is there', async () => {
  await (await openSqliteStore(database())).close()
  const logs = join(folder, 'data', 'logs')
  await mkdir(logs)
  const large = Buffer.alloc(9 * 2 ** 20, 'line of a log\n')
  const contents = {
    'a-1.log': large,
    'b-1.log': Buffer.from(''),
    'c-1.log': Buffer.from('backup'),
    'a-1.gap': Buffer.from('{}'),
  }
  for (const [name, text] of Object.entries(contents)) await writeFile(join(logs, name), text)
  assert.equal((await writeBackup(file, await source({ logs }), control)).logs, 3)
  await takeKey()
  await mkdir(join(folder, 'restored', 'logs'))
  await writeFile(join(folder, 'restored', 'logs', 'c-1.log'), 'newer')
  await restore()
  const read = (name: string) => readFile(join(folder, 'restored', 'logs', name))
  assert.ok(large.equals(await read('a-1.log')))
  assert.equal((await read('b-1.log')).length, 0)
  assert.equal((await read('c-1.log')).toString(), 'newer')
  assert.equal((await read('a-1.gap')).toString(), '{}', 'what is missing in a log comes along')
})

test('the key is never in a backup, and another key is refused', async () => {
  await (await openSqliteStore(database())).close()
  await writeBackup(file, await source(), control)
  const key = (await readFile(join(folder, 'data', sealFile), 'utf8')).trim()
  const bytes = await readFile(file)
  for (const secret of [key, Buffer.from(key, 'base64')]) assert.equal(bytes.includes(secret), false)
  await assert.rejects(restore(), /is not the key of this backup/)
  assert.deepEqual(await readdir(join(folder, 'restored')), [sealFile])
})

test('what is no backup, is damaged, or was changed to write elsewhere is refused, and leaves nothing', async () => {
  await (await openSqliteStore(database())).close()
  await takeKey()
  const left = async () => (await readdir(join(folder, 'restored'))).filter((name) => !/seal|logs/.test(name))
  await assert.rejects(restore(), /cannot be read: ENOENT/)
  await writeFile(file, 'no database')
  await assert.rejects(restore(), /is no backup/)
  await rm(file)
  await cp(database(), file)
  await assert.rejects(restore(), /is no backup/)
  await writeBackup(file, await source(), control)
  const changed = new DatabaseSync(file)
  changed.exec(
    `insert into backup_logs values ('../../evil.log', 0, x'00'); update backup_facts set value = '1' where name = 'logs'`,
  )
  changed.close()
  await assert.rejects(restore(), /"..\/..\/evil.log": somebody changed it/)
  await writeBackup(file, await source(), control)
  await writeFile(file, (await readFile(file)).subarray(0, -8192))
  await assert.rejects(restore(), /damaged|malformed/)
  assert.deepEqual(await left(), [])
})

test('an interrupted or refused copy leaves the earlier file, and nothing else', async () => {
  const store = await openSqliteStore(database())
  await store.submit({ jobs: Array.from({ length: 400 }, () => someJob({ args: ['x'.repeat(20_000)] })), events: [] })
  await store.close()
  await writeFile(file, 'earlier')
  const interrupted = new AbortController()
  const onProgress = (): void => {
    interrupted.abort(new Error('interrupted'))
  }
  await assert.rejects(writeBackup(file, await source(), { onProgress, signal: interrupted.signal }), /interrupted/)
  assert.equal(await readFile(file, 'utf8'), 'earlier')
  assert.deepEqual((await readdir(folder)).toSorted(), ['data', 'platform.backup', 'restored'])
})

test(
  'a full disk is named, and nothing is left on it',
  { skip: process.geteuid?.() !== 0 && 'only root mounts' },
  async () => {
    const store = await openSqliteStore(database())
    await store.submit({ jobs: Array.from({ length: 400 }, () => someJob({ args: ['x'.repeat(20_000)] })), events: [] })
    await store.close()
    const small = join(folder, 'small')
    await mkdir(small)
    await runTool('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', small])
    try {
      const full = /There is no room for .*small\/b\.backup on its disk/
      await assert.rejects(writeBackup(join(small, 'b.backup'), await source(), control), full)
      assert.deepEqual(await readdir(small), [])
    } finally {
      await runTool('umount', [small])
    }
  },
)
