import type { PreparedImage } from '../../../image/store/local-images.ts'
import type { AttemptSpec } from '../../executor.ts'
import { containerIds, homeOf } from '../../container-user.ts'
import type { GpuGrant } from '../gpu/grant.ts'
import { enteringCommand, enterPath } from '../../entry/entry.ts'
import { cgroupsPath } from './cgroups.ts'
import type { Machine } from './machine.ts'
import type { ResourceLimit } from './resource-limits.ts'
import { seccompProfile, type SeccompProfile } from './seccomp.ts'

/** A mount of a container; mounts are made in their order. */
export interface OciMount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/** The part of an OCI runtime configuration (runtime-spec 1.0, config.md) that the executor uses. */
export interface OciConfig {
  readonly ociVersion: string
  readonly process: {
    readonly terminal: false
    readonly user: {
      readonly uid: number
      readonly gid: number
      readonly additionalGids?: readonly number[]
      readonly umask: number
    }
    readonly args: readonly string[]
    readonly env: readonly string[]
    readonly cwd: string
    readonly capabilities: Readonly<Record<'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient', never[]>>
    readonly rlimits: readonly ResourceLimit[]
    readonly noNewPrivileges: true
    readonly oomScoreAdj: number
  }
  readonly root: { readonly path: string; readonly readonly: false }
  readonly hostname: string
  readonly mounts: readonly OciMount[]
  /** By the name of their point in time, such as `createContainer`. */
  readonly hooks?: Readonly<Record<string, readonly OciHook[]>>
  readonly linux: {
    readonly cgroupsPath?: string
    readonly resources?: OciResources
    readonly devices?: readonly { path: string; type: 'c'; major: number; minor: number; fileMode: number }[]
    readonly namespaces: readonly { readonly type: string; readonly path?: string }[]
    readonly maskedPaths: readonly string[]
    readonly readonlyPaths: readonly string[]
    readonly seccomp: SeccompProfile
  }
}

/** A program that the runtime runs at a point in time. */
export type OciHook = Omit<GpuGrant['hooks'][number], 'hookName'>

/** Limits of an OCI runtime configuration. */
export interface OciResources {
  readonly devices: readonly { allow: boolean; access: string; type?: string; major?: number; minor?: number }[]
  readonly cpu?: { readonly shares: number; readonly quota: number; readonly period: number }
  readonly memory?: { readonly limit: number; readonly swap?: number }
  readonly pids?: { readonly limit: number }
}

/** What decides about a container beside its specification, its image and the machine. */
export interface Placement {
  /** Where the supervisor mounts the container's root. */
  readonly rootfs: string
  readonly homeFolder: string
  readonly projectsFolder: string
  readonly scratchFolder: string
  /** For an image without a /tmp that every user may write to. */
  readonly tmpFolder?: string
  /** Paths of the files that replace those in the image's /etc. */
  readonly etc: Readonly<Record<'passwd' | 'group' | 'hosts' | 'resolv.conf', string>>
  /** The program `enter`, for a job with a working directory. */
  readonly enterFile?: string
  readonly network: { readonly type: 'host' | 'none' } | { readonly type: 'isolated'; readonly namespacePath: string }
  /** Most processes and threads at the same time. */
  readonly pidsLimit: number
  /** For an attempt with GPUs. */
  readonly gpus?: GpuGrant
  readonly umask: number
  /** The file with the processors that the job is bound to, in the kernel's form; absent where it is not bound. */
  readonly processorsFile?: string
  /** See {@link seccompProfile}. */
  readonly programs32Bit: boolean
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The OCI configuration of an attempt. Pure. */
export function ociConfig(spec: AttemptSpec, image: PreparedImage, placement: Placement, machine: Machine): OciConfig {
  const { uid, gid, additionalGids } = containerIds(spec.account, machine.rootless)
  const group = cgroupsPath(machine.cgroups, spec.id)
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid, gid, ...(additionalGids.length > 0 ? { additionalGids } : {}), umask: placement.umask },
      args: enteringCommand(spec, commandOf(spec, image)),
      env: environmentOf(spec, image, placement.gpus?.env),
      // The runtime enters it as root, so it must be a folder that no user can replace. A working directory is entered by `enter`.
      cwd: homeOf(spec.account),
      capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
      rlimits: machine.resourceLimits,
      noNewPrivileges: true,
      // When the whole machine runs out of memory, jobs go before the platform.
      oomScoreAdj: 500,
    },
    root: { path: placement.rootfs, readonly: false },
    hostname: spec.name,
    mounts: mountsOf(spec, placement, machine),
    ...(placement.gpus === undefined || placement.gpus.hooks.length === 0 ? {} : { hooks: hooksOf(placement.gpus) }),
    linux: {
      ...(group === undefined ? {} : { cgroupsPath: group, resources: resourcesOf(spec, placement, machine) }),
      ...(placement.gpus === undefined ? {} : { devices: gpuNodes(placement.gpus) }),
      namespaces: namespacesOf(placement.network, group !== undefined),
      maskedPaths,
      readonlyPaths,
      seccomp: seccompProfile(machine.architecture, placement.programs32Bit),
    },
  }
}

/**
 * The command line by the rules of Kubernetes: `cmd` replaces the entry point and the image's CMD; `args` replaces the CMD. Empty when
 * neither the job nor the image names a command. Pure.
 */
export function commandOf(
  spec: Pick<AttemptSpec, 'cmd' | 'args'>,
  image: Pick<PreparedImage, 'entrypoint' | 'cmd'>,
): string[] {
  if (spec.cmd !== undefined) return [...spec.cmd, ...(spec.args ?? [])]
  return [...image.entrypoint, ...(spec.args ?? image.cmd)]
}

/** The image's variables, overridden by the attempt's. PATH is always set. Pure. */
export function environmentOf(
  spec: Pick<AttemptSpec, 'env'>,
  image: Pick<PreparedImage, 'env'>,
  defaults: Readonly<Record<string, string>> = {},
): string[] {
  const merged = new Map<string, string>()
  for (const line of [defaultPath, ...image.env]) {
    const [key = '', ...rest] = line.split('=')
    if (key !== '') merged.set(key, rest.join('='))
  }
  for (const [key, value] of [...Object.entries(defaults), ...Object.entries(spec.env)]) merged.set(key, value)
  return [...merged].map(([key, value]) => `${key}=${value}`)
}

/** Limits of those controllers that the machine has: the runtime fails on a limit that it cannot set. Pure. */
export function resourcesOf(
  { resources }: AttemptSpec,
  { pidsLimit, gpus }: Pick<Placement, 'pidsLimit' | 'gpus'>,
  machine: Machine,
): OciResources {
  const has = (controller: string): boolean => machine.cgroups.controllers.includes(controller)
  const period = 100_000
  const limit = memoryLimitBytes(resources.memoryGb.limit)
  return {
    devices: [
      { allow: false, access: 'rwm' },
      ...(gpus?.devices ?? []).map(({ major, minor }) => ({ allow: true, access: 'rw', type: 'c', major, minor })),
    ],
    ...(has('cpu')
      ? {
          cpu: {
            shares: Math.max(2, Math.round(resources.cores.request * 1024)),
            quota: Math.max(1000, Math.round(resources.cores.limit * period)),
            period,
          },
        }
      : {}),
    // With swap: memory and swap together have the limit of memory.
    ...(has('memory') ? { memory: { limit, ...(machine.swap ? { swap: limit } : {}) } } : {}),
    ...(has('pids') ? { pids: { limit: pidsLimit } } : {}),
  }
}

/** Gibibytes in bytes. */
const memoryLimitBytes = (memoryGb: number): number => Math.round(memoryGb * 1024 ** 3)

function mountsOf(spec: AttemptSpec, placement: Placement, machine: Machine): OciMount[] {
  const inert = ['nosuid', 'nodev']
  const shmBytes = memoryLimitBytes(spec.resources.memoryGb.limit)
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      // Group 5 is tty on every distribution. Without root the container has no such group.
      options: [
        'nosuid',
        'noexec',
        'newinstance',
        'ptmxmode=0666',
        'mode=0620',
        ...(machine.rootless ? [] : ['gid=5']),
      ],
    },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      // Its pages count as memory of the job, so the memory limit limits it.
      options: ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${shmBytes}`],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    sysMount(placement, machine),
    ...cgroupMounts(machine),
    // What glibc counts as online (get_nprocs(3)), and so os.cpu_count of Python.
    ...(placement.processorsFile === undefined
      ? []
      : [bind(placement.processorsFile, '/sys/devices/system/cpu/online', ['bind', 'ro', ...inert])]),
    bind(placement.homeFolder, homeOf(spec.account), ['rbind', ...inert]),
    bind(placement.projectsFolder, '/arc/projects', ['rbind', ...inert]),
    bind(placement.scratchFolder, '/scratch', ['bind', ...inert]),
    ...Object.entries(placement.etc).map(([name, path]) => bind(path, `/etc/${name}`, ['bind', 'ro', ...inert])),
    ...(placement.enterFile === undefined ? [] : [bind(placement.enterFile, enterPath, ['bind', 'ro', ...inert])]),
    ...(placement.tmpFolder === undefined ? [] : [bind(placement.tmpFolder, '/tmp', ['bind', ...inert])]),
    ...(placement.gpus?.mounts ?? []).map((mount) => ({ ...mount, type: 'bind' })),
  ]
}

const bind = (source: string, destination: string, options: readonly string[]): OciMount => ({
  destination,
  type: 'bind',
  source,
  options,
})

/** A new sysfs shows the container's own network alone. The kernel permits it to the owner of the network namespace. */
function sysMount({ network }: Placement, { rootless }: Machine): OciMount {
  const options = ['nosuid', 'noexec', 'nodev', 'ro']
  return rootless && network.type !== 'none'
    ? { destination: '/sys', type: 'none', source: '/sys', options: ['rbind', ...options] }
    : { destination: '/sys', type: 'sysfs', source: 'sysfs', options }
}

/** The job's own control group, by which programs find their limits. Without root the /sys of the machine is shown. */
const cgroupMounts = ({ cgroups, rootless }: Machine): OciMount[] =>
  cgroups.parent === undefined || rootless
    ? []
    : [
        {
          destination: '/sys/fs/cgroup',
          type: 'cgroup',
          source: 'cgroup',
          options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'],
        },
      ]

function namespacesOf(network: Placement['network'], hasCgroup: boolean): { type: string; path?: string }[] {
  const own = ['pid', 'ipc', 'uts', 'mount', ...(hasCgroup ? ['cgroup'] : [])].map((type) => ({ type }))
  if (network.type === 'host') return own
  return [...own, network.type === 'isolated' ? { type: 'network', path: network.namespacePath } : { type: 'network' }]
}

const gpuNodes = ({ devices }: GpuGrant) =>
  devices.map(({ path, major, minor }) => ({ path, major, minor, type: 'c' as const, fileMode: 0o666 }))

function hooksOf({ hooks }: GpuGrant): Record<string, OciHook[]> {
  const byTime: Record<string, OciHook[]> = {}
  for (const { hookName, ...hook } of hooks) (byTime[hookName] ??= []).push(hook)
  return byTime
}

/** Parts of /proc and /sys that disclose facts about the machine or its other users. */
const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
]

/** Parts of /proc that change the machine. */
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']
