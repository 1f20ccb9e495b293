import { chmod, chown, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Directory } from '../store/store.ts'
import { runTool } from '../lib/tool.ts'

/** The directories of projects, as jobs see them under `/arc/projects`. */
export interface ProjectFolders {
  /** Makes a project's directory where it is missing: its group writes, what is made in it stays the group's, others have no way in. */
  ensure(project: string, gid: number): Promise<void>
  /** Gives a project's directory to another group, with everything in it that was its group's. */
  give(project: string, gid: number): Promise<void>
}

/** Project directories in `folder`. An ordinary user cannot give files away: there, all jobs run as that one user. */
export function projectFolders(folder: string, isRoot = process.getuid?.() === 0): ProjectFolders {
  const folders: ProjectFolders = {
    async ensure(project, gid) {
      const path = join(folder, project)
      if (await exists(path)) return
      await mkdir(folder, { recursive: true })
      // It gets its name when it is complete: what is there is never half made, whenever this is killed.
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
      // The directory itself comes last: until all is done it tells which files are still to be given.
      await runTool('chown', ['--recursive', '--no-dereference', `--from=:${before}`, `:${gid}`, '--', path])
    },
  }
  return folders
}

/** Makes the directories that are missing: a command may have been interrupted between store and disk. */
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
