import { runTool } from './tool.ts'

/** The kind of file system that a folder is on, in the words of stat(1): `ext2/ext3`, `overlayfs`, `nfs`. */
export const fileSystemOf = async (folder: string): Promise<string> =>
  (await runTool('stat', ['--file-system', '--format', '%T', '--', folder])).toString().trim()

/** Whether a kind of file system is served by another machine or another program. Pure. */
export const isRemote = (kind: string): boolean =>
  /^(nfs|nfs4|cifs|smb\d?|afs|ceph|fuseblk|fuse|9p|v9fs|gfs.*|lustre|gpfs)$/.test(kind)
