import assert from 'node:assert/strict'
import { it } from 'node:test'
import { fileSystemOf, isRemote } from './file-system.ts'

it('a file system has a name, by which those of other machines are known', async () => {
  assert.equal(await fileSystemOf('/proc'), 'proc')
  for (const kind of ['nfs', 'cifs', 'smb2', 'fuseblk', 'v9fs', 'lustre']) assert.equal(isRemote(kind), true, kind)
  for (const kind of ['ext2/ext3', 'xfs', 'btrfs', 'tmpfs', 'overlayfs']) assert.equal(isRemote(kind), false, kind)
})
