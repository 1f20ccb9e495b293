import { chown, lstat, mkdir, mkdtemp, readlink, realpath, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ifThere } from '../lib/files.ts'

/** POSIX ids of the account that a home is for. */
export interface HomeOwner {
  readonly uid: number
  readonly gid: number
}

/** A home that exists. */
export interface Home {
  /** Its path without symbolic links. */
  readonly folder: string
  /** Text of the symbolic link in its place; absent where it is a folder itself. */
  readonly link?: string
  /** The user id that it belongs to, where that is not its owner's. */
  readonly otherUid?: number
}

/**
 * Makes a home on first use. Its owner may change everything in it, but cannot replace it: the parent folder belongs to root. So a
 * symbolic link in its place is the operator's, and is followed.
 *
 * @param attemptId part of a temporary name, so that several attempts may make one home at the same time
 * @param owner undefined: the user of this process
 * @throws Error with the path, what is there, and what to do
 */
export async function makeHome(path: string, attemptId: string, owner: HomeOwner | undefined): Promise<Home> {
  if ((await ifThere(lstat(path))) !== undefined) return lookAtHome(path, owner)
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
    if ((await ifThere(lstat(path))) === undefined) throw error
  }
  return lookAtHome(path, owner)
}

async function lookAtHome(path: string, owner: HomeOwner | undefined): Promise<Home> {
  const link = (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined
  const what = link === undefined ? path : `${path}, a symbolic link to ${link},`
  if (link !== undefined && owner !== undefined && (await mayReplace(dirname(path), owner)))
    throw new Error(`${what} is not followed: the user may replace it, because ${dirname(path)} is not root's alone`)
  const found = await ifThere(stat(path))
  if (found === undefined) throw new Error(`${what} leads nowhere: create that folder, or remove the link`)
  if (!found.isDirectory()) throw new Error(`${what} is no folder: remove it`)
  return {
    folder: await realpath(path),
    ...(link === undefined ? {} : { link }),
    ...(owner === undefined || found.uid === owner.uid ? {} : { otherUid: found.uid }),
  }
}

async function mayReplace(parent: string, { uid }: HomeOwner): Promise<boolean> {
  const { uid: owner, mode } = await stat(parent)
  return owner === uid || (mode & 0o022) !== 0
}

/** A text for the owner of a job whose home belongs to another user. Pure. */
export const homeOfAnother = (home: string, { uid, gid }: HomeOwner, otherUid: number): string =>
  `Your home ${home} belongs to the user id ${otherUid}, not to yours (${uid}), so programs may be refused access to your files. Ask the operators of the platform for: chown -R ${uid}:${gid}.`

/**
 * Whether homes can be made in a folder: makes one and gives it away. NFS with `root_squash` does not permit that.
 *
 * @returns the reason why not; undefined where it works.
 */
export async function whyNoHomes(
  folder: string,
  owner: HomeOwner = { uid: 65_534, gid: 65_534 },
): Promise<string | undefined> {
  let made: string | undefined
  try {
    made = await mkdtemp(join(folder, '.probe-'))
    await chown(made, owner.uid, owner.gid)
    return undefined
  } catch (error) {
    return (error as Error).message
  } finally {
    if (made !== undefined) await rmdir(made).catch(() => undefined)
  }
}
