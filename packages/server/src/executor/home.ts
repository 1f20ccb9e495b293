import { chown, lstat, mkdir, rename, rm } from 'node:fs/promises'
import { ifThere } from '../lib/files.ts'

/**
 * Makes a home on first use. Later its owner may do with it what they like, but not replace it: its parent is not theirs.
 *
 * @param attemptId makes the name of the folder it is made under, so that several may try at the same time.
 * @param owner whose it is to be; undefined: this process's own user's.
 */
export async function makeHome(
  path: string,
  attemptId: string,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): Promise<void> {
  if ((await ifThere(lstat(path)))?.isDirectory()) return
  const made = `${path}.${attemptId}`
  await rm(made, { recursive: true, force: true })
  await mkdir(made, { mode: 0o700 })
  if (owner !== undefined) await chown(made, owner.uid, owner.gid)
  try {
    // Renamed into place, so that no attempt started at the same time finds a home that is not its owner's yet.
    await rename(made, path)
  } catch (error) {
    await rm(made, { recursive: true, force: true })
    // Another attempt was first, and something is in it already.
    if (!(await ifThere(lstat(path)))?.isDirectory()) throw error
  }
}
