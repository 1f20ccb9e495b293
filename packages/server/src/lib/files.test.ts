import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeFolders } from './files.ts'

test('makeFolders makes the missing folders above, and leaves what is there', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'files-'))
  t.after(() => rm(folder, { recursive: true }))
  await makeFolders(join(folder, 'a/b/c'), { mode: 0o700 })
  await makeFolders(join(folder, 'a/b/c'))
  assert.equal((await stat(join(folder, 'a/b/c'))).mode & 0o777, 0o700)
})

test(
  'makeFolders says that a folder cannot be made where the file system answers ENOENT',
  { timeout: 20_000 },
  async () => {
    await assert.rejects(makeFolders('/proc/nothing/below'), { code: 'ENOENT' })
  },
)
