import { join } from 'node:path'

/** One mounted hierarchy of control groups. */
export interface Hierarchy {
  readonly mountPoint: string
  /** `cpu`, `memory`, … on v1; empty for a hierarchy that only names groups, such as systemd's. */
  readonly controllers: readonly string[]
}

/** Where the control groups of attempts go on this machine, and what they can do there. */
export interface Cgroups {
  readonly version: 1 | 2
  /** Folder of the attempts' groups below each mount point; undefined where this process may make none. */
  readonly parent?: string
  readonly hierarchies: readonly Hierarchy[]
  /** The controllers that attempts get. */
  readonly controllers: readonly string[]
}

/** No control groups at all: without root, without delegation, or not mounted. */
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

/** Whether `/` is a mount point: in a chroot it may be none, and then pivot_root(2) fails. */
export const rootIsMountPoint = (mountinfo: string): boolean =>
  mountinfo.split('\n').some((line) => line.split(' ')[4] === '/')

/** mountinfo writes blanks, tabs, newlines and backslashes as octal numbers. */
const unescapeMount = (path: string): string =>
  path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))

/** The `cgroupsPath` of an attempt, as the OCI runtime wants it: absolute, below every hierarchy's mount point. */
export const cgroupsPath = (cgroups: Cgroups, attemptId: string): string | undefined =>
  cgroups.parent === undefined ? undefined : join(cgroups.parent, attemptId)

/** The folders that the runtime makes for an attempt and that must be removed after it. */
export const cgroupFolders = (cgroups: Cgroups, attemptId: string): string[] =>
  cgroups.parent === undefined
    ? []
    : cgroups.hierarchies.map(({ mountPoint }) => join(mountPoint, cgroups.parent ?? '', attemptId))

/** The file that lists every process of an attempt. */
export function procsFile(cgroups: Cgroups, attemptId: string): string | undefined {
  // Any hierarchy will do; systemd's is the one that nothing else moves processes in.
  const folder = cgroupFolders(cgroups, attemptId).at(-1)
  return folder === undefined ? undefined : join(folder, 'cgroup.procs')
}

/** Which file tells what, by version; the names are those that `usageOf` knows. */
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

/** The files that tell what an attempt has used (`end`), and with `now` also what it is using. */
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
