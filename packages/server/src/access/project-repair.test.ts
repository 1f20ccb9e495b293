import assert from 'node:assert/strict'
import { chmod, chown, link, lstat, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { execFile } from 'node:child_process'
import { repairProject, repairedMode } from './project-repair.ts'

test('a file gets the rights of its group, a directory setgid too', () => {
  assert.equal(repairedMode(0o100644, false), 0o664)
  assert.equal(repairedMode(0o100700, false), 0o770)
  assert.equal(repairedMode(0o040755, true), 0o2775)
  assert.equal(repairedMode(0o100444, false), 0o464)
})

test(
  'a project is given to its group, with all that is in it and nothing else',
  { skip: process.getuid?.() !== 0 && 'only root gives files away' },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'sp-repair-'))
    t.after(() => rm(folder, { recursive: true }))
    const project = join(folder, 'night')
    const at = (...path: string[]): string => join(project, ...path)
    await mkdir(at('sub', 'deep'), { recursive: true })
    await writeFile(join(folder, 'outside'), '')
    await mkdir(join(folder, 'elsewhere'))
    for (const path of ['file', 'sub/script', 'sub/deep/data', 'twice']) await writeFile(at(path), '', { mode: 0o644 })
    await chmod(at('sub/script'), 0o755)
    await link(at('twice'), join(folder, 'other-name'))
    await symlink(join(folder, 'outside'), at('link'))
    await symlink(join(folder, 'elsewhere'), at('folder-link'))
    await promisify(execFile)('mkfifo', [at('pipe')])
    await chown(at('sub/deep/data'), 7, 7)
    const outside = await stat(join(folder, 'outside'))
    const count = await repairProject(project, 40_000)
    const facts = async (path: string) => {
      const { mode, gid } = await lstat(at(path))
      return [(mode & 0o7777).toString(8), gid]
    }
    assert.deepEqual(await facts('.'), ['2775', 40_000])
    assert.deepEqual(await facts('sub/deep'), ['2775', 40_000])
    assert.deepEqual(await facts('file'), ['664', 40_000])
    assert.deepEqual(await facts('sub/script'), ['775', 40_000])
    assert.deepEqual(await facts('sub/deep/data'), ['664', 40_000])
    assert.equal((await stat(at('sub/deep/data'))).uid, 7)
    assert.deepEqual(await facts('twice'), ['644', 0], 'it has another name outside')
    assert.deepEqual((await stat(join(folder, 'outside'))).mode, outside.mode)
    assert.equal((await stat(join(folder, 'elsewhere'))).gid, 0)
    assert.deepEqual(count, { seen: 10, repaired: 6, skipped: 4 })
    assert.deepEqual(await repairProject(project, 40_000), { seen: 10, repaired: 0, skipped: 4 })
  },
)
