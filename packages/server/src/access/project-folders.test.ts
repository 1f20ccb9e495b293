import assert from 'node:assert/strict'
import { chown, lstat, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { projectFolders } from './project-folders.ts'

async function place(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sp-projects-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

test('a project directory belongs to its group, is setgid, and closed to others', async (t) => {
  const folder = join(await place(t), 'arc', 'projects')
  const folders = projectFolders(folder)
  await Promise.all([folders.ensure('night', 40_000), folders.ensure('night', 40_000)])
  const { mode, uid, gid } = await stat(join(folder, 'night'))
  assert.equal(mode & 0o7777, 0o2770)
  if (process.getuid?.() === 0) assert.deepEqual([uid, gid], [0, 40_000])
  assert.deepEqual(await readdir(folder), ['night'])
})

test('an existing directory stays as it is', async (t) => {
  const folder = await place(t)
  await mkdir(join(folder, 'night'), { mode: 0o755 })
  await projectFolders(folder).ensure('night', 40_000)
  assert.equal((await stat(join(folder, 'night'))).mode & 0o7777, 0o755)
})

test(
  'given to another group, all that the old one had follows, links are not followed, and a second run finishes a first',
  { skip: process.getuid?.() !== 0 && 'only root gives files away' },
  async (t) => {
    const folder = await place(t)
    const folders = projectFolders(folder)
    const path = join(folder, 'night')
    await folders.ensure('night', 40_000)
    await mkdir(join(path, 'sub'))
    const outside = join(folder, 'outside')
    for (const file of [outside, join(path, 'sub', 'ours'), join(path, 'theirs')]) await writeFile(file, '')
    await symlink(outside, join(path, 'link'))
    for (const file of [outside, join(path, 'sub'), join(path, 'sub', 'ours')]) await chown(file, 7, 40_000)
    await chown(join(path, 'theirs'), 7, 50_000)
    // As after an interruption: some files have the new group, the directory has not.
    await chown(join(path, 'sub', 'ours'), 7, 40_001)
    await folders.give('night', 40_001)
    const gidOf = async (name: string): Promise<number> => (await lstat(join(path, name))).gid
    assert.deepEqual(
      [await gidOf('.'), await gidOf('sub'), await gidOf('sub/ours'), await gidOf('theirs')],
      [40_001, 40_001, 40_001, 50_000],
    )
    assert.equal((await stat(outside)).gid, 40_000)
    assert.equal((await stat(path)).mode & 0o7777, 0o2770)
    assert.equal((await stat(join(path, 'sub', 'ours'))).uid, 7)
  },
)
