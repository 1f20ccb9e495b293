import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileSystemOf } from '../../../lib/file-system.ts'
import { runTool, ToolError } from '../../../lib/tool.ts'
import type { Machine } from './machine.ts'

/** Mounts what a supervisor mounts for a container, in a mount namespace that ends with it. `ready` tells that the namespace was made. */
const script = 'echo ready; cd "$1" && exec mount -t overlay overlay -o "$2" root'

/**
 * Checks that containers can have their root in a data folder: the upper layer of an overlay has requirements that overlayfs itself, NFS
 * and others do not meet (Linux, Documentation/filesystems/overlayfs.rst).
 *
 * @throws Error that names the folder, its file system, and those that do.
 */
export async function requireOverlay(
  dataDir: string,
  { rootless, ownRoot }: Pick<Machine, 'rootless' | 'ownRoot'>,
): Promise<void> {
  // In a chroot the root is no mount point, and a mount namespace cannot be made private.
  if (ownRoot) return
  const folder = await mkdtemp(join(dataDir, '.probe-'))
  try {
    for (const name of ['lower', 'upper', 'work', 'root']) await mkdir(join(folder, name))
    const options = `lowerdir=lower,upperdir=upper,workdir=work${rootless ? ',userxattr' : ''}`
    const namespaces = rootless ? ['--user', '--map-root-user', '--mount'] : ['--mount']
    await runTool('unshare', [
      ...namespaces,
      'sh',
      '-c',
      `(${script}) 2>&1 || { cat >&2; exit 1; }`,
      'sh',
      folder,
      options,
    ])
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new Error(
      `The data directory ${dataDir} is on ${await fileSystemOf(dataDir)}, where the root of a container cannot be mounted. ` +
        'Use a directory on ext4, xfs, btrfs or tmpfs: --data DIR.',
      { cause: error },
    )
  } finally {
    // The kernel makes work/work without any rights.
    await rm(folder, { recursive: true, force: true })
  }
}
