import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { runTool } from '../../../lib/tool.ts'
import { isInOwnNetwork, runInOwnNetwork } from '../testing/own-network.ts'
import { requireOverlay } from './overlay-probe.ts'

const machine = { rootless: false, ownRoot: false }

if (!isInOwnNetwork)
  it('the file system of a data folder', { skip: process.geteuid?.() !== 0 && 'only root mounts' }, () => {
    runInOwnNetwork(import.meta.url)
  })
else
  describe('the file system of a data folder', () => {
    it('is accepted where containers can have their root, and nothing is left of the check', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'overlay-probe-'))
      await runTool('mount', ['-t', 'tmpfs', 'tmpfs', folder])
      // Separators of the options of overlayfs.
      const dataDir = join(folder, 'a,b:c')
      await mkdir(dataDir)
      await requireOverlay(dataDir, machine)
      assert.deepEqual(await readdir(dataDir), [])
      await runTool('umount', [folder])
      await rm(folder, { recursive: true })
    })

    it('is refused by its name where they cannot, with those that do', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'overlay-probe-'))
      await runTool('mount', ['-t', 'tmpfs', 'tmpfs', folder])
      for (const name of ['lower', 'upper', 'work', 'data']) await mkdir(join(folder, name))
      const dataDir = join(folder, 'data')
      const layers = ['lower', 'upper', 'work'].map((name) => `${name}dir=${join(folder, name)}`).join(',')
      await runTool('mount', ['-t', 'overlay', 'overlay', '-o', layers, dataDir])
      await assert.rejects(requireOverlay(dataDir, machine), (error: Error) => {
        assert.ok(error.message.includes(`${dataDir} is on overlayfs`), error.message)
        assert.match(error.message, /ext4, xfs, btrfs or tmpfs/)
        return true
      })
      assert.deepEqual(await readdir(dataDir), [])
      await runTool('umount', [dataDir])
      await runTool('umount', [folder])
      await rm(folder, { recursive: true })
    })
  })
