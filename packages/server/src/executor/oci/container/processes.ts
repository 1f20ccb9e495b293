import type { WarningSignal } from '@science-platform/contract'
import { readdir, readlink } from 'node:fs/promises'
import { constants } from 'node:os'
import { ifThere, readIfThere } from '../../../lib/files.ts'

/** Whether a process has a handler for a signal, by the text of its /proc/PID/status: the bits of SigCgt (proc(5)). Pure. */
export function handles(status: string, signal: WarningSignal): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  if (caught === undefined) return false
  return ((BigInt(`0x${caught}`) >> BigInt(constants.signals[`SIG${signal}`] - 1)) & 1n) === 1n
}

/**
 * Sends a signal to each process of a container that has a handler for it. A process without one would die of it.
 *
 * @param first pid of the container's first process
 * @param procsFile lists the processes of the container; undefined where there are no control groups
 * @returns the number of processes that got it
 */
export async function warnProcesses(
  first: number,
  procsFile: string | undefined,
  signal: WarningSignal,
): Promise<number> {
  let count = 0
  for (const pid of await processesOf(first, procsFile)) {
    const status = await readIfThere(`/proc/${pid}/status`)
    if (status !== undefined && handles(status, signal) && killIfThere(pid, `SIG${signal}`)) count += 1
  }
  return count
}

/** The pids of a container: those of its control group, else those in the pid namespace of its first process. */
async function processesOf(first: number, procsFile: string | undefined): Promise<number[]> {
  const listed = procsFile === undefined ? undefined : await readIfThere(procsFile)
  if (listed !== undefined)
    return listed
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 0)
  const namespace = await ifThere(readlink(`/proc/${first}/ns/pid`))
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0)
  const namespaces = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/ns/pid`).catch(() => undefined)))
  return pids.filter((_, i) => namespace !== undefined && namespaces[i] === namespace)
}

/** Sends a signal; false when there is no such process. */
export function killIfThere(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
