import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runTool } from '../../lib/tool.ts'
import { readInsideRoot } from './inside-root.ts'

describe('a file read inside a root', () => {
  let folder: string
  let root: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'inside-root-'))
    root = join(folder, 'root')
    await mkdir(join(root, 'etc'), { recursive: true })
    await mkdir(join(root, 'usr/etc'), { recursive: true })
    await writeFile(join(folder, 'secret'), 'outside')
    await writeFile(join(root, 'etc/plain'), 'inside')
    await writeFile(join(root, 'secret'), 'the one inside')
    await symlink('/etc/plain', join(root, 'etc/absolute'))
    await symlink('../../../../secret', join(root, 'etc/upwards'))
    await symlink(join(folder, 'secret'), join(root, 'etc/outside'))
    await symlink('loop', join(root, 'etc/loop'))
    await symlink('/usr/etc', join(root, 'linked'))
    await writeFile(join(root, 'usr/etc/passwd'), 'through a folder')
    await runTool('mkfifo', [join(root, 'etc/fifo')])
  })
  after(() => rm(folder, { recursive: true }))

  const cases: readonly (readonly [string, string | undefined])[] = [
    ['etc/plain', 'inside'],
    ['etc/absolute', 'inside'],
    ['etc/upwards', 'the one inside'],
    ['etc/outside', undefined],
    ['etc/loop', undefined],
    ['linked/passwd', 'through a folder'],
    ['etc/fifo', undefined],
    ['etc', undefined],
    ['etc/none', undefined],
    ['etc/plain/more', undefined],
  ]
  for (const [path, content] of cases) {
    it(`${path} gives ${content ?? 'nothing'}`, async () => assert.equal(await readInsideRoot(root, path), content))
  }

  it('that is too large is an error', async () => {
    await assert.rejects(readInsideRoot(root, 'etc/plain', 3), /etc\/plain has 6 bytes, at most 3/)
  })
})
