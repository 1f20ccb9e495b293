import { join } from 'node:path'

/** One mounted hierarchy of control groups. */
export interface Hierarchy {
  readonly mountPoint: string
  /** `cpu`, `memory`, … on v1; empty for a hierarchy that only names groups, such as systemd's. */
  readonly controllers: readonly string[]
}

/** Where this machine has the control groups of attempts, and what they can limit. */
export interface Cgroups {
  readonly version: 1 | 2
  /** Parent of the attempts' groups below each mount point; undefined where this process may make no groups. */
  readonly parent?: string
  readonly hierarchies: readonly Hierarchy[]
  /** The controllers that attempts get. */
  readonly controllers: readonly string[]
}

/** No control groups: without root, without delegation, or not mounted. */
export const noCgroups: Cgroups = { version: 1, hierarchies: [], controllers: [] }

const v1Controllers = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'devices',
  'freezer',
  'blkio',
  'pids',
  'net_cls',
  'net_prio',
].concat(['perf_event', 'hugetlb', 'rdma', 'misc'])

/** The mounted hierarchies in a text of /proc/PID/mountinfo (proc(5)), with whether each is mounted for writing. */
export function mountedHierarchies(mountinfo: string): (Hierarchy & { version: 1 | 2; writable: boolean })[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ')
    const [, , , , mountPoint, options = ''] = left.split(' ')
    const [type, , superOptions = ''] = right.split(' ')
    if (mountPoint === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return []
    const controllers = superOptions.split(',').filter((option) => v1Controllers.includes(option))
    const writable = options.split(',').includes('rw')
    return [{ mountPoint: unescapeMount(mountPoint), version: type === 'cgroup' ? 1 : 2, controllers, writable }]
  })
}

/** Whether `/` is a mount point. In a chroot it may not be, and then pivot_root(2) fails. */
export const rootIsMountPoint = (mountinfo: string): boolean =>
  mountinfo.split('\n').some((line) => line.split(' ')[4] === '/')

/** mountinfo writes blanks, tabs, newlines and backslashes as octal numbers. */
const unescapeMount = (path: string): string =>
  path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))

/** The `cgroupsPath` of an attempt in its OCI configuration: absolute, below the mount point of every hierarchy. */
export const cgroupsPath = (cgroups: Cgroups, attemptId: string): string | undefined =>
  cgroups.parent === undefined ? undefined : join(cgroups.parent, attemptId)

/** The folders that the runtime makes for an attempt and that the supervisor removes. */
export const cgroupFolders = (cgroups: Cgroups, attemptId: string): string[] =>
  cgroups.parent === undefined
    ? []
    : cgroups.hierarchies.map(({ mountPoint }) => join(mountPoint, cgroups.parent ?? '', attemptId))

/**
 * The folders of the group of all supervisors: a service manager that ends the server's own group reaches none of them. v1's cpuset takes no
 * process before its processors are set.
 */
export const supervisorFolders = ({ parent, hierarchies }: Cgroups): string[] =>
  parent === undefined
    ? []
    : hierarchies
        .filter(({ controllers }) => !controllers.includes('cpuset'))
        .map(({ mountPoint }) => join(mountPoint, `${parent}-supervisors`))

/** The file that lists every process of an attempt. */
export function procsFile(cgroups: Cgroups, attemptId: string): string | undefined {
  // Every hierarchy has one. The last is usually systemd's or the unified one, where other software moves no processes of ours.
  const folder = cgroupFolders(cgroups, attemptId).at(-1)
  return folder === undefined ? undefined : join(folder, 'cgroup.procs')
}

/** The controller of each usage file, by version. `usageOf` reads files of these names. */
const usageFileNames = {
  1: {
    end: {
      'cpuacct.usage': 'cpuacct',
      'memory.max_usage_in_bytes': 'memory',
      'memory.oom_control': 'memory',
      'blkio.throttle.io_service_bytes': 'blkio',
    },
    now: { 'memory.usage_in_bytes': 'memory', 'memory.stat': 'memory' },
  },
  2: {
    end: { 'cpu.stat': '', 'memory.peak': 'memory', 'memory.events': 'memory', 'io.stat': 'io' },
    now: { 'memory.current': 'memory', 'memory.stat': 'memory' },
  },
} as const

/** The keys of memory.stat for memory that the kernel cannot take back without swap: anonymous, and of /dev/shm and tmpfs. */
export const residentKeys = { 1: ['total_rss', 'total_shmem'], 2: ['anon', 'shmem'] } as const

/** The memory.stat of an attempt; undefined where there is none. */
export const memoryStatFile = (cgroups: Cgroups, attemptId: string): string | undefined =>
  usageFiles(cgroups, attemptId, 'now').find(({ name }) => name === 'memory.stat')?.path

/** The files with the usage of an attempt: of its whole run (`end`), and for `now` also of this moment. */
export function usageFiles(cgroups: Cgroups, attemptId: string, when: 'end' | 'now'): { name: string; path: string }[] {
  const { parent } = cgroups
  if (parent === undefined) return []
  const names = usageFileNames[cgroups.version]
  const wanted = Object.entries({ ...names.end, ...(when === 'now' ? names.now : {}) })
  return wanted.flatMap(([name, controller]) => {
    const hierarchy = cgroups.hierarchies.find(
      (candidate) => cgroups.version === 2 || candidate.controllers.includes(controller),
    )
    return hierarchy === undefined ? [] : [{ name, path: join(hierarchy.mountPoint, parent, attemptId, name) }]
  })
}
