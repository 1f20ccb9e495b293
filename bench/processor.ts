import { readFileSync } from 'node:fs'

/** Milliseconds of processor time (user and system) that a contender has used since it was started. */
export interface ProcessorTime {
  /** Of the server's own process; 0 where no server takes part. */
  readonly serverMs: number
  /** Of everything else: supervisors, the runtime, the jobs. */
  readonly restMs: number
}

/** Clock ticks of /proc/PID/stat in a second (proc(5), sysconf(_SC_CLK_TCK)): 100 on every architecture of Linux that Node supports. */
const ticksPerSecond = 100

/** Processor time of a process, and of its children that have ended and were waited for. */
export function processorOf(pid: number | 'self'): { readonly ownMs: number; readonly childrenMs: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name in parentheses may hold blanks; behind it the state is field 3, and utime, stime, cutime, cstime are fields 14 to 17.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [user = NaN, system = NaN, childUser = NaN, childSystem = NaN] = fields.slice(11, 15)
  const perTick = 1000 / ticksPerSecond
  return { ownMs: (user + system) * perTick, childrenMs: (childUser + childSystem) * perTick }
}

/** The pids of a process's children. */
export function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
}
