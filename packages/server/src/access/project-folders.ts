import { chmod, chown, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Directory } from '../store/store.ts'
import { runTool } from '../lib/tool.ts'

/** The directories of projects, as jobs see them under `/arc/projects`. */
export interface ProjectFolders {
  /** Creates a project's directory where it is missing, for its group alone: mode 2770, so that new files belong to the group. */
  ensure(project: string, gid: number): Promise<void>
  /** Changes the group of a project's directory, and of all files in it that belong to the former group. */
  give(project: string, gid: number): Promise<void>
}

/** Project directories in `folder`. Without root the group is not set: then all jobs run as the server's user. */
export function projectFolders(folder: string, isRoot = process.getuid?.() === 0): ProjectFolders {
  const folders: ProjectFolders = {
    async ensure(project, gid) {
      const path = join(folder, project)
      if (await exists(path)) return
      await mkdir(folder, { recursive: true })
      // The directory gets its name when it is complete: a kill must not leave one with wrong rights.
      const made = await mkdtemp(join(folder, `.${project}-`))
      if (isRoot) await chown(made, 0, gid)
      await chmod(made, 0o2770)
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

/** Creates missing directories: a command may have been interrupted between store and disk. */
export async function ensureProjects(folders: ProjectFolders, { projects, groups }: Directory): Promise<void> {
  for (const { name, group } of projects.values()) {
    const gid = groups.get(group)?.gid
    if (gid !== undefined) await folders.ensure(name, gid)
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
