import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chown, lstat, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
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

test('an existing directory gets setgid and the rights of its group, and what is in it stays as it is', async (t) => {
  const folder = await place(t)
  const path = join(folder, 'night')
  await mkdir(path, { mode: 0o755 })
  await writeFile(join(path, 'file'), '', { mode: 0o640 })
  await projectFolders(folder).ensure('night', 40_000)
  assert.equal((await stat(path)).mode & 0o7777, 0o2775)
  assert.equal((await stat(join(path, 'file'))).mode & 0o7777, 0o640)
})

test(
  'a directory that is not setgid after chmod is a fault that says why',
  { skip: process.getuid?.() !== 0 && 'only root can give up a capability' },
  async (t) => {
    const folder = await place(t)
    // Without CAP_FSETID, and no member of the group, the kernel clears the bit and reports success.
    const program = `
      import { projectFolders, ensureProjects } from ${JSON.stringify(new URL('project-folders.ts', import.meta.url).href)}
      const folders = projectFolders(${JSON.stringify(folder)}, true)
      await folders.ensure('night', 40000).catch((error) => console.log(error.name, error.message))
      const directory = { projects: new Map([['night', { name: 'night', group: 'g' }]]), groups: new Map([['g', { gid: 40000 }]]) }
      await ensureProjects(folders, directory, (project, error) => console.log('fault of', project, error.name))`
    const { stdout } = await promisify(execFile)('setpriv', [
      '--bounding-set=-fsetid',
      process.execPath,
      '--input-type=module',
      '--eval',
      program,
    ])
    assert.match(stdout, /^NotSetgid .* is not setgid after chmod: the server lacks the capability FSETID/)
    assert.match(stdout, /fault of night NotSetgid/)
    assert.deepEqual(await readdir(folder), [], 'no half-made directory is left')
  },
)

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
