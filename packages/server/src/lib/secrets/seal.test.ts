import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSeal } from './seal.ts'

test('a sealed text can be opened with the same key only, and only unchanged', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sp-seal-'))
  const [one, other] = [join(folder, 'one'), join(folder, 'other')]
  const sealed = (await openSeal(one)).seal('user:p=ss word ☉')
  assert.ok(!sealed.includes('user'))
  assert.equal((await openSeal(one)).unseal(sealed), 'user:p=ss word ☉')
  assert.equal((await stat(one)).mode & 0o777, 0o600)
  const stranger = await openSeal(other)
  assert.throws(() => stranger.unseal(sealed))
  const changed = Buffer.from(sealed, 'base64')
  changed[changed.length - 1]! ^= 1
  const { unseal } = await openSeal(one)
  assert.throws(() => unseal(changed.toString('base64')))
  const derived = (await openSeal(one)).derive('a', 33)
  assert.deepEqual((await openSeal(one)).derive('a', 33), derived)
  assert.notDeepEqual((await openSeal(one)).derive('b', 33), derived)
  assert.notDeepEqual(stranger.derive('a', 33), derived)
  await rm(folder, { recursive: true })
})
