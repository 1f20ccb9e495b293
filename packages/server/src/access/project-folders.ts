import { chmod, chown, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Directory } from '../store/store.ts'
import { runTool } from '../lib/tool.ts'

/** The directories of projects, as jobs see them under `/arc/projects`. */
export interface ProjectFolders {
  /**
   * Creates a project's directory where it is missing, for its group alone: mode 2770, so that new files belong to the group. An existing
   * one gets the bits that it lacks of these; what is in it stays as it is.
   *
   * @throws {NotSetgid} where the directory is not setgid afterwards.
   */
  ensure(project: string, gid: number): Promise<void>
  /** Changes the group of a project's directory, and of all files in it that belong to the former group. */
  give(project: string, gid: number): Promise<void>
}

/** Project directories in `folder`. Without root the group is not set: then all jobs run as the server's user. */
export function projectFolders(folder: string, isRoot = process.getuid?.() === 0): ProjectFolders {
  const folders: ProjectFolders = {
    async ensure(project, gid) {
      const path = join(folder, project)
      if (await exists(path)) {
        await openToGroup(path)
        return
      }
      await mkdir(folder, { recursive: true })
      // The directory gets its name when it is complete: a kill must not leave one with wrong rights.
      const made = await mkdtemp(join(folder, `.${project}-`))
      if (isRoot) await chown(made, 0, gid)
      try {
        await openToGroup(made)
      } catch (error) {
        await rm(made, { recursive: true })
        throw error
      }
      try {
        await rename(made, path)
      } catch (error) {
        await rm(made, { recursive: true })
        if (!(await exists(path))) throw error
      }
    },
    async give(project, gid) {
      await folders.ensure(project, gid)
      const path = join(folder, project)
      const { gid: before } = await stat(path)
      if (!isRoot || before === gid) return
      // chown changes the directory itself last: until then its group shows that the change is unfinished.
      await runTool('chown', ['--recursive', '--no-dereference', `--from=:${before}`, `:${gid}`, '--', path])
    },
  }
  return folders
}

/** A project's directory without the setgid bit: new files in it would belong to the groups of their creators. */
export class NotSetgid extends Error {
  override readonly name = 'NotSetgid'
}

/** Gives a directory setgid and all rights of its group. The kernel clears setgid silently where the caller lacks CAP_FSETID (chmod(2)). */
async function openToGroup(path: string): Promise<void> {
  const { mode } = await stat(path)
  if ((mode & groupBits) === groupBits) return
  await chmod(path, (mode & 0o7777) | groupBits)
  if (((await stat(path)).mode & 0o2000) === 0)
    throw new NotSetgid(
      `${path} is not setgid after chmod: the server lacks the capability FSETID, or the file system refuses the bit. ` +
        'Give the server the capability, or run: chmod g+s on the directory.',
    )
}

/** setgid, and all rights of the group. */
const groupBits = 0o2070

/**
 * Creates missing directories, and repairs the others: a command may have been interrupted between store and disk, and a server may have
 * lacked a capability.
 *
 * @param onFault called for each directory that is not as it should be; without it, the first fault is thrown.
 */
export async function ensureProjects(
  folders: ProjectFolders,
  { projects, groups }: Directory,
  onFault?: (project: string, error: unknown) => void,
): Promise<void> {
  for (const { name, group } of projects.values()) {
    const gid = groups.get(group)?.gid
    if (gid === undefined) continue
    try {
      await folders.ensure(name, gid)
    } catch (error) {
      if (onFault === undefined) throw error
      onFault(name, error)
    }
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
