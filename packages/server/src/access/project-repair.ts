import { constants } from 'node:fs'
import { open, opendir, readlink, realpath, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

/** What {@link repairProject} has done so far. */
export interface RepairCount {
  /** Files and directories looked at. */
  readonly seen: number
  /** Those whose group or mode was changed. */
  readonly repaired: number
  /** Those that were left alone: files with several names (hard links), sockets, pipes and devices. */
  readonly skipped: number
}

/** The group rights that a file or directory of a project should have, from its mode. Pure. */
export const repairedMode = (mode: number, isDirectory: boolean): number =>
  isDirectory ? (mode & 0o7777) | 0o2070 : (mode & 0o7777) | 0o060 | ((mode & 0o100) === 0 ? 0 : 0o010)

/**
 * Gives everything in a project's directory to its group: group, rights of the group, setgid of directories. Links are not followed, also
 * not those that a member puts in place meanwhile: each file is changed through a descriptor whose path was checked.
 *
 * @param progress called after every thousand files
 */
export async function repairProject(
  folder: string,
  gid: number,
  progress: (count: RepairCount) => void = () => undefined,
): Promise<RepairCount> {
  const root = await realpath(folder)
  const count = { seen: 0, repaired: 0, skipped: 0 }
  const waiting = [root]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const entries = await repairOne(path, root, gid, count)
    for (const entry of entries) waiting.push(join(path, entry))
    if (count.seen % 1000 === 0) progress({ ...count })
  }
  return count
}

type Counting = { -readonly [Key in keyof RepairCount]: RepairCount[Key] }

/** Repairs one file or directory; returns the names in a directory. */
async function repairOne(path: string, root: string, gid: number, count: Counting): Promise<string[]> {
  count.seen += 1
  const file = await openPlain(path)
  if (file === undefined) {
    count.skipped += 1
    return []
  }
  try {
    const { mode, nlink, gid: before, ...stats } = await file.stat()
    const isDirectory = (mode & constants.S_IFMT) === constants.S_IFDIR
    const isFile = (mode & constants.S_IFMT) === constants.S_IFREG
    const place = await readlink(`/proc/self/fd/${file.fd}`)
    const isInside = place === root || place.startsWith(`${root}/`)
    if (!isInside || !(isDirectory || (isFile && nlink === 1))) {
      count.skipped += 1
      return []
    }
    const wanted = repairedMode(mode, isDirectory)
    // chown(2) clears setgid of files, so the mode comes after it.
    if (before !== gid) await file.chown(stats.uid, gid)
    if (before !== gid || wanted !== (mode & 0o7777)) {
      await file.chmod(wanted)
      count.repaired += 1
    }
    return isDirectory ? await namesIn(file) : []
  } finally {
    await file.close()
  }
}

/** Opens without following a link, and without waiting for the other end of a pipe; undefined where that cannot be done. */
async function openPlain(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    // A link, a socket, or a file that was removed meanwhile.
    if (['ELOOP', 'ENXIO', 'ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

async function namesIn(directory: FileHandle): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of await opendir(`/proc/self/fd/${directory.fd}`)) names.push(name)
  return names
}
