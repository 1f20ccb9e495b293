import { chown, lstat, mkdir, rename, rm } from 'node:fs/promises'
import { ifThere } from '../lib/files.ts'

/**
 * Makes a home on first use. Its owner may change everything in it, but cannot replace it: the parent folder belongs to root.
 *
 * @param attemptId part of a temporary name, so that several attempts may make one home at the same time
 * @param owner undefined: the user of this process
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
    // Renamed into place: an attempt that starts at the same time must not find a home with another owner.
    await rename(made, path)
  } catch (error) {
    await rm(made, { recursive: true, force: true })
    // Another attempt was first, and its home is not empty any more.
    if (!(await ifThere(lstat(path)))?.isDirectory()) throw error
  }
}
