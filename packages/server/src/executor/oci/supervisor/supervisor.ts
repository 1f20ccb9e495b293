import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cgroupFolders, memoryStatFile, procsFile, residentKeys, usageFiles } from '../container/cgroups.ts'
import { killIfThere } from '../container/processes.ts'
import { isDiskFull, isMissing, readIfThere } from '../../../lib/files.ts'
import type { Folders } from '../attempt/folders.ts'
import type { Machine } from '../container/machine.ts'
import { recordText, type AttemptRecord } from '../attempt/record.ts'

/** What a supervisor must know of its attempt. */
export interface SupervisorPlan {
  readonly record: AttemptRecord
  readonly runtime: string
  /** The image's root: the lower layer of the container's. */
  readonly imageRoot: string
  readonly scratchFolder: string
  /** Number of its slot in the isolated network. */
  readonly slot?: number
  /** The processors that the container is bound to; absent where it is not bound. */
  readonly processors?: readonly number[]
  readonly folders: Pick<Folders, 'hints' | 'rootfs'>
}

/**
 * The plan as the supervisor reads it: lines of a key, a blank and a value (perl-base has no JSON).
 *
 * @throws Error when a path holds a line break.
 */
export function planText(plan: SupervisorPlan, machine: Machine): string {
  const { cgroups } = machine
  const { spec, logLimitBytes } = plan.record
  const procs = procsFile(cgroups, spec.id)
  const memoryStat = memoryStatFile(cgroups, spec.id)
  const keys = residentKeys[cgroups.version].join(',')
  const lines: [string, string | number][] = [
    ['id', spec.id],
    ['arch', machine.architecture],
    ['boot', machine.bootId],
    ['runtime', plan.runtime],
    ['rootless', machine.rootless ? 1 : 0],
    // Without control groups the runtime must go on when it can make none.
    ['lenient', machine.rootless || cgroups.parent === undefined ? 1 : 0],
    ['ownRoot', machine.ownRoot ? 1 : 0],
    ['lowerdir', escapeOverlayPath(plan.imageRoot)],
    ['rootfs', plan.folders.rootfs],
    ['logLimit', logLimitBytes],
    ['grace', spec.graceSeconds],
    ['hints', plan.folders.hints],
    ['scratch', plan.scratchFolder],
    ...(plan.slot === undefined ? [] : [['slot', plan.slot] satisfies [string, number]]),
    ...(plan.processors === undefined ? [] : [['processors', plan.processors.join(',')] satisfies [string, string]]),
    ...(procs === undefined ? [] : [['procs', procs] satisfies [string, string]]),
    ...cgroupFolders(cgroups, spec.id).map((folder): [string, string] => ['cgroup', folder]),
    ...usageFiles(cgroups, spec.id, 'end').map(({ name, path }): [string, string] => ['final', `${name} ${path}`]),
    ...(memoryStat === undefined ? [] : [['resident', `${keys} ${memoryStat}`] satisfies [string, string]]),
    ['record', recordText(plan.record)],
  ]
  for (const [key, value] of lines)
    if (String(value).includes('\n')) throw new Error(`The ${key} ${JSON.stringify(value)} must not hold a line break.`)
  return lines.map(([key, value]) => `${key} ${value}\n`).join('')
}

/** In the options of overlayfs a colon separates layers and a comma separates options. */
const escapeOverlayPath = (path: string): string => path.replace(/[\\:,]/g, '\\$&')

/** Identifies the process of a supervisor: its pid alone may belong to another process by now. */
export interface SupervisorIdentity {
  readonly pid: number
  /** Clock ticks after boot, field 22 of /proc/PID/stat (proc(5)). */
  readonly startTime: string
  readonly bootId: string
}

/** The identity in the text after the plan of a journal; undefined when it is missing or incomplete. */
export function parseIdentity(text: string): SupervisorIdentity | undefined {
  const match = /^supervisor (\d+) (\d+) (\S+)\n/.exec(text)
  return match === null ? undefined : { pid: Number(match[1]), startTime: match[2] ?? '', bootId: match[3] ?? '' }
}

/** Whether that very process lives and is no zombie, by the text of its /proc/PID/stat. Pure. */
export function isSameProcess(identity: SupervisorIdentity, bootId: string, stat: string | undefined): boolean {
  if (stat === undefined || identity.bootId !== bootId) return false
  // The name in parentheses may contain blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] !== 'Z' && fields[0] !== 'X' && fields[19] === identity.startTime
}

/** Whether the supervisor is alive. */
export async function isAlive(identity: SupervisorIdentity, bootId: string): Promise<boolean> {
  return isSameProcess(identity, bootId, await readIfThere(`/proc/${identity.pid}/stat`))
}

/** Makes the supervisor stop its attempt; false when the supervisor is gone. */
export async function signalSupervisor(identity: SupervisorIdentity, bootId: string): Promise<boolean> {
  return (await isAlive(identity, bootId)) && killIfThere(identity.pid, 'SIGTERM')
}

/** Pid of the container's first process; undefined when it has ended or its supervisor is gone. */
export async function firstProcess(
  folder: string,
  supervisor: SupervisorIdentity,
  bootId: string,
): Promise<number | undefined> {
  if (!(await isAlive(supervisor, bootId))) return undefined
  const pid = Number(await readIfThere(join(folder, 'init.pid')))
  // Only the supervisor reaps it: while that is its parent, no other process has this pid.
  const stat = Number.isInteger(pid) && pid > 0 ? await readIfThere(`/proc/${pid}/stat`) : undefined
  return stat !== undefined && parentOf(stat) === supervisor.pid ? pid : undefined
}

const parentOf = (stat: string): number => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])

/**
 * Writes the grace period for the supervisor, which obeys no SIGTERM without it. On a full disk the sticky bit of the folder stands for the
 * grace period of the specification: setting it needs no room.
 */
export async function writeGrace(folder: string, graceSeconds: number): Promise<void> {
  try {
    await writeFile(join(folder, 'stop'), `${Math.ceil(graceSeconds)}\n`)
  } catch (error) {
    if (isMissing(error)) return
    if (!isDiskFull(error)) throw error
    await chmod(folder, 0o1700)
  }
}

/** Removes what {@link writeGrace} wrote after the supervisor had gone. */
export const removeGrace = (folder: string): Promise<void> => rm(join(folder, 'stop'), { force: true })
