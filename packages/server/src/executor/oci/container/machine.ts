import { constants } from 'node:fs'
import { access, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { mountedHierarchies, noCgroups, rootIsMountPoint, supervisorFolders, type Cgroups } from './cgroups.ts'
import { parseProcessors } from './processors.ts'
import { hardLimits, mayRaiseLimits, resourceLimits, type ResourceLimit } from './resource-limits.ts'

/** The architectures whose system call numbers `supervise.pl` knows. */
export type Architecture = 'x64' | 'arm64'

/** Properties of this machine. Read once, when the executor opens. */
export interface Machine {
  readonly architecture: Architecture
  /** Changes with every boot: no process outlives it. */
  readonly bootId: string
  /** Without root: containers run in a user namespace with the one user of this process. */
  readonly rootless: boolean
  /** Whether the root folder is a chroot and no mount point: the supervisor makes it one. */
  readonly ownRoot: boolean
  /** Whether there is swap space: a memory limit must then cover it too. */
  readonly swap: boolean
  readonly cgroups: Cgroups
  /** Numbers of the processors that this process may use. */
  readonly processors: readonly number[]
  readonly resourceLimits: readonly ResourceLimit[]
}

/**
 * Reads the properties of the machine and makes the parent of the attempts' control groups.
 *
 * @param instance a short name of this platform's data folder, which differs between platforms on one machine
 * @throws Error on an architecture without system call numbers in the supervisor, and as root where no control groups are mounted
 */
export async function readMachine(instance: string): Promise<Machine> {
  const { arch } = process
  if (arch !== 'x64' && arch !== 'arm64')
    throw new Error(`The oci executor runs on x86_64 and aarch64 machines; this is ${arch}. Use executor: kubernetes.`)
  const rootless = process.geteuid?.() !== 0
  const [mountinfo, bootId, swaps, ownCgroups, status, limits, mostFiles] = await Promise.all([
    readFile('/proc/self/mountinfo', 'utf8'),
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    readFile('/proc/swaps', 'utf8').catch(absent('')),
    readFile('/proc/self/cgroup', 'utf8').catch(absent('')),
    readFile('/proc/self/status', 'utf8'),
    readFile('/proc/self/limits', 'utf8'),
    readFile('/proc/sys/fs/nr_open', 'utf8'),
  ])
  if (!rootless && mountedHierarchies(mountinfo).length === 0)
    throw new Error(
      'No control groups are mounted, and runc needs them. In a chroot, mount /sys and /sys/fs/cgroup, ' +
        'or start the server by scripts/with-sys, which mounts them.',
    )
  return {
    architecture: arch,
    bootId: bootId.trim(),
    rootless,
    ownRoot: !rootIsMountPoint(mountinfo),
    swap: swaps.trim().split('\n').length > 1,
    cgroups: await findCgroups(mountinfo, ownCgroups, `science-platform-${instance}`, rootless),
    processors: parseProcessors(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? ''),
    resourceLimits: resourceLimits(Number(mostFiles), mayRaiseLimits(status) ? undefined : hardLimits(limits)),
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
  // The runtime puts a container into every hierarchy, also into a unified one beside those of v1, or fails. It writes the
  // allowed devices to one of them.
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
  // A group has a controller only when every group above it enables the controller.
  for (const folder of [above, parent])
    for (const controller of ['cpu', 'memory', 'pids', 'io'])
      await writeFile(join(mountPoint, folder, 'cgroup.subtree_control'), `+${controller}`).catch(refused)
  const handedDown = await readFile(join(mountPoint, parent, 'cgroup.subtree_control'), 'utf8').catch(absent(''))
  const controllers = handedDown.trim().split(/\s+/).filter(Boolean)
  return { version: 2, parent, hierarchies: [{ mountPoint, controllers }], controllers }
}

/** The nearest ancestor of our group that we may move processes in. Our own group holds processes, so it can enable no controllers. */
async function delegatedAncestor(mountPoint: string, own: string): Promise<string | undefined> {
  for (let group = own; group !== '/';) {
    group = dirname(group)
    const files = ['', 'cgroup.procs', 'cgroup.subtree_control'].map((file) => join(mountPoint, group, file))
    if ((await Promise.all(files.map(mayWrite))).every(Boolean)) return group
  }
  return undefined
}

/** Makes the groups of the supervisors. One that cannot be made is left out: the supervisors then stay in the server's own. */
export async function makeSupervisorGroups(cgroups: Cgroups): Promise<void> {
  for (const folder of supervisorFolders(cgroups)) await mkdir(folder, { recursive: true }).catch(refused)
}

/** Removes the parent groups unless attempts or supervisors are left in them. */
export async function removeCgroupParents(cgroups: Cgroups): Promise<void> {
  const { parent, hierarchies } = cgroups
  if (parent === undefined) return
  for (const folder of [
    ...supervisorFolders(cgroups),
    ...hierarchies.map(({ mountPoint }) => join(mountPoint, parent)),
  ])
    await rmdir(folder).catch((error: unknown) => {
      // Never made, or attempts still run in it: then the next server removes it.
      if (!['ENOENT', 'EBUSY', 'ENOTEMPTY'].includes(codeOf(error))) throw error
    })
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

const mayWrite = (path: string): Promise<boolean> =>
  access(path, constants.W_OK).then(
    () => true,
    () => false, // the reason does not matter
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

/** A controller that is missing (ENOENT), in use (EBUSY) or not permitted is absent when the file is read back. */
const refused = (error: unknown): void => {
  if (!['ENOENT', 'EBUSY', 'EINVAL', 'EOPNOTSUPP'].includes(codeOf(error)) && !isDenied(error)) throw error
}

const consequences: Readonly<Record<keyof Limits, string>> = {
  cpu: 'jobs may use more than their cores and slow each other down',
  memory: 'jobs may use more than their memory and exhaust the machine',
  pids: 'jobs may start any number of processes',
}

/** A sentence for each limit that does not hold, for the operators of the platform. */
export const limitsText = (limits: Limits): string[] =>
  (['cpu', 'memory', 'pids'] as const)
    .filter((limit) => !limits[limit])
    .map(
      (limit) =>
        `no ${limit} control group can be made: ${consequences[limit]}; run as root, or delegate control groups to this user`,
    )
