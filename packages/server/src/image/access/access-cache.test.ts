import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { AccessCache } from './access-cache.ts'

const hour = 3_600_000
const source = { registry: 'r.test', path: 'a', plainHttp: false }
const access = (i: number) => ({ source, digest: `sha256:${i}`, registryAuth: undefined })

describe('the access cache', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'access-cache-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('knows when a registry said yes, also after a restart, and to which credentials', async () => {
    const at = Date.now() - 1000
    const path = join(folder, 'a')
    const cache = new AccessCache(path)
    await cache.open(at)
    await cache.add(access(1), at)
    assert.equal(Math.round(await cache.age(access(1), at + 500)), 500)
    const reopened = new AccessCache(path)
    await reopened.open(at)
    assert.equal(Math.round(await reopened.age(access(1), at + 500)), 500)
    assert.equal(await reopened.age({ ...access(1), registryAuth: 'ada:x' }, at), Infinity)
    await reopened.remove(access(1))
    assert.equal(await reopened.age(access(1), at), Infinity)
  })

  it('deletes old entries while the server runs, so that their number is bounded by what a day brings', async () => {
    const path = join(folder, 'b')
    const cache = new AccessCache(path)
    const start = Date.now() - 100 * hour
    await cache.open(start)
    for (let i = 0; i < 100; i++) await cache.add(access(i), start + i * hour)
    // The key, 24 hours and the hours between two prunings.
    const names = await readdir(path)
    assert.ok(names.length <= 28, `${names.length} files`)
    assert.ok((await cache.age(access(99), start + 99 * hour)) < 1000)
  })
})
