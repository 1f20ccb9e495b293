import { constants } from 'node:fs'
import { access, mkdir, readFile, readdir, rmdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { mountedHierarchies, noCgroups, rootIsMountPoint, type Cgroups } from './cgroups.ts'
import { gpuDevices, type Device } from './gpus.ts'

/** The architectures whose system call numbers `supervise.pl` knows. */
export type Architecture = 'x64' | 'arm64'

/** What the executor must know of the machine it runs on. Read once, when it opens. */
export interface Machine {
  readonly architecture: Architecture
  /** Changes with every boot: a process of another boot is gone. */
  readonly bootId: string
  /** Without root: containers run in a user namespace that holds the one user of this process. */
  readonly rootless: boolean
  /** The root folder is a chroot that is no mount point: the supervisor has to make it one. */
  readonly ownRoot: boolean
  /** Whether there is swap space, which a memory limit must then cover too. */
  readonly swap: boolean
  /** Path of a static init for containers; undefined where none is installed. */
  readonly init?: string
  readonly cgroups: Cgroups
  readonly gpus: readonly Device[]
}

/** Where distributions put a statically linked tini. */
const initPaths = ['/usr/bin/tini-static', '/usr/sbin/tini-static', '/usr/local/bin/tini-static']

/**
 * Looks at the machine and makes the parent of the attempts' control groups.
 *
 * @param instance a short name of this platform's data folder: two platforms on one machine keep apart by it.
 * @throws Error on an architecture that the supervisor does not know, and for root where no control groups are mounted.
 */
export async function readMachine(instance: string): Promise<Machine> {
  const { arch } = process
  if (arch !== 'x64' && arch !== 'arm64')
    throw new Error(`The oci executor runs on x86_64 and aarch64 machines; this is ${arch}. Use executor: docker.`)
  const rootless = process.geteuid?.() !== 0
  const [mountinfo, bootId, swaps, ownCgroups, devices] = await Promise.all([
    readFile('/proc/self/mountinfo', 'utf8'),
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    readFile('/proc/swaps', 'utf8').catch(absent('')),
    readFile('/proc/self/cgroup', 'utf8').catch(absent('')),
    readdir('/dev'),
  ])
  if (!rootless && mountedHierarchies(mountinfo).length === 0)
    throw new Error(
      'No control groups are mounted here, without which runc starts nothing: is this a chroot? ' +
        'Mount /sys and /sys/fs/cgroup, or start it by scripts/with-sys, which does.',
    )
  const init = await firstExisting(initPaths)
  return {
    architecture: arch,
    bootId: bootId.trim(),
    rootless,
    ownRoot: !rootIsMountPoint(mountinfo),
    swap: swaps.trim().split('\n').length > 1,
    ...(init === undefined ? {} : { init }),
    cgroups: await findCgroups(mountinfo, ownCgroups, `science-platform-${instance}`, rootless),
    gpus: await gpuDevices(devices),
  }
}

/**
 * The control groups that this process may make. v1: as root, in every hierarchy. v2: as root below the top; without
 * root below the nearest ancestor of its own group that was delegated to it (cgroups(7), "Delegating a hierarchy").
 */
async function findCgroups(mountinfo: string, ownCgroups: string, name: string, rootless: boolean): Promise<Cgroups> {
  const mounted = mountedHierarchies(mountinfo)
  const unified = mounted.find(({ version, mountPoint }) => version === 2 && mountPoint === '/sys/fs/cgroup')
  if (unified !== undefined) {
    const own = /^0::(\/.*)$/m.exec(ownCgroups)?.[1] ?? '/'
    return unifiedCgroups(unified.mountPoint, own, name, rootless)
  }
  const hierarchies = mounted.filter(({ version, writable }) => version === 2 || writable)
  const usable: typeof hierarchies = []
  for (const hierarchy of hierarchies) if (!rootless && (await mayWrite(hierarchy.mountPoint))) usable.push(hierarchy)
  // The runtime puts a container into all hierarchies (also into a unified one beside v1's) or fails; it keeps the list of
  // its devices in one of them.
  if (usable.length === 0 || usable.length < hierarchies.length) return noCgroups
  if (!usable.some(({ controllers }) => controllers.includes('devices'))) return noCgroups
  return {
    version: 1,
    parent: `/${name}`,
    hierarchies: usable.map(({ mountPoint, controllers }) => ({ mountPoint, controllers })),
    controllers: usable.flatMap(({ controllers }) => controllers),
  }
}

async function unifiedCgroups(mountPoint: string, own: string, name: string, rootless: boolean): Promise<Cgroups> {
  const above = rootless ? await delegatedAncestor(mountPoint, own) : '/'
  if (above === undefined) return noCgroups
  const parent = join(above, name)
  try {
    await mkdir(join(mountPoint, parent), { recursive: true })
  } catch (error) {
    if (isDenied(error)) return noCgroups
    throw error
  }
  // Controllers reach a group only when every group above hands them down.
  for (const folder of [above, parent])
    for (const controller of ['cpu', 'memory', 'pids', 'io'])
      await writeFile(join(mountPoint, folder, 'cgroup.subtree_control'), `+${controller}`).catch(refused)
  const handedDown = await readFile(join(mountPoint, parent, 'cgroup.subtree_control'), 'utf8').catch(absent(''))
  const controllers = handedDown.trim().split(/\s+/).filter(Boolean)
  return { version: 2, parent, hierarchies: [{ mountPoint, controllers }], controllers }
}

/** The nearest group above our own that we may move processes in; our own holds processes and can hand nothing down. */
async function delegatedAncestor(mountPoint: string, own: string): Promise<string | undefined> {
  for (let group = own; group !== '/';) {
    group = dirname(group)
    const files = ['', 'cgroup.procs', 'cgroup.subtree_control'].map((file) => join(mountPoint, group, file))
    if ((await Promise.all(files.map(mayWrite))).every(Boolean)) return group
  }
  return undefined
}

/** Removes the parent groups when no attempt is left in them. */
export async function removeCgroupParents({ parent, hierarchies }: Cgroups): Promise<void> {
  if (parent === undefined) return
  for (const { mountPoint } of hierarchies) {
    await rmdir(join(mountPoint, parent)).catch((error: unknown) => {
      // Never made, or attempts go on in it: the next server removes it.
      if (!['ENOENT', 'EBUSY', 'ENOTEMPTY'].includes(codeOf(error))) throw error
    })
  }
}

/** The limits that this machine can impose on jobs. */
export interface Limits {
  readonly cpu: boolean
  readonly memory: boolean
  readonly pids: boolean
}

/** Which limits hold, from the controllers that attempts get. */
export const limitsOf = ({ parent, controllers }: Cgroups): Limits => ({
  cpu: parent !== undefined && controllers.includes('cpu'),
  memory: parent !== undefined && controllers.includes('memory'),
  pids: parent !== undefined && controllers.includes('pids'),
})

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await stat(path).then(() => true, absent(false))) return path
  return undefined
}

const mayWrite = (path: string): Promise<boolean> =>
  access(path, constants.W_OK).then(
    () => true,
    () => false, // the question was whether, not why
  )

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''
const isDenied = (error: unknown): boolean => ['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error))

/** A catch for "there is no such file": anything else is thrown on. */
const absent =
  <T>(value: T) =>
  (error: unknown): T => {
    if (codeOf(error) !== 'ENOENT') throw error
    return value
  }

/** A controller that is not there (ENOENT), held by processes (EBUSY) or not ours is simply not among those read back. */
const refused = (error: unknown): void => {
  if (!['ENOENT', 'EBUSY', 'EINVAL', 'EOPNOTSUPP'].includes(codeOf(error)) && !isDenied(error)) throw error
}

const consequences: Readonly<Record<keyof Limits, string>> = {
  cpu: 'jobs are not held to their cores and may slow each other down',
  memory: 'jobs are not held to their memory and may exhaust the machine',
  pids: 'jobs may start any number of processes',
}

/** A sentence for each limit that does not hold, for the people who run the platform. */
export const limitsText = (limits: Limits): string[] =>
  (['cpu', 'memory', 'pids'] as const)
    .filter((limit) => !limits[limit])
    .map(
      (limit) =>
        `no ${limit} control group can be made here: ${consequences[limit]}; run as root, or delegate control groups to this user`,
    )
