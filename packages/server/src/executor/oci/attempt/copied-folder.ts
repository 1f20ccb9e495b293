import { readlink, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ifThere } from '../../../lib/files.ts'
import { findAttempt } from './attempt-folder.ts'

/** Thrown where attempts of a data folder run in another one: this folder is a copy. */
class CopiedFolder extends Error {
  override readonly name = 'CopiedFolder'
}

/**
 * Checks that the supervisors that attempts name work in this very folder. Those of a copied folder run the jobs of the original: to
 * adopt, stop or clean them up here would end them there.
 *
 * @param attempts The folder of all attempts.
 * @throws {CopiedFolder}
 */
export async function requireOwnAttempts(attempts: string, ids: readonly string[], bootId: string): Promise<void> {
  for (const id of ids) {
    const folder = join(attempts, id)
    const { supervised, identity } = await findAttempt(folder, bootId)
    const elsewhere = supervised && identity !== undefined ? await otherFolder(folder, identity.pid) : undefined
    if (elsewhere !== undefined)
      throw new CopiedFolder(
        `${folder} is a copy: the attempt runs in ${elsewhere}. Serve the data directory of that folder. To serve the copy, wait ` +
          `until its jobs have ended, or remove ${attempts}: then they end there, and count as lost here.`,
      )
  }
}

/** The folder of the same attempt in which a supervisor works, where that is another one than `folder`. */
async function otherFolder(folder: string, pid: number): Promise<string | undefined> {
  const link = `/proc/${pid}/cwd`
  try {
    const [own, its, path] = [await ifThere(stat(folder)), await ifThere(stat(link)), await ifThere(readlink(link))]
    if (own === undefined || its === undefined || path === undefined) return undefined
    if (own.dev === its.dev && own.ino === its.ino) return undefined
    // A folder that was removed, and restored at its place, is no copy; nor is the root that a supervisor enters for a moment.
    return basename(path) === basename(folder) ? path : undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Without root the links of a supervisor in a user namespace cannot be read.
    if (code === 'EACCES' || code === 'EPERM' || code === 'ESRCH') return undefined
    throw error
  }
}
