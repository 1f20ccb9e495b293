import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { run } from './run-program.ts'

/** The machine that a benchmark ran on. */
export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGb: number
  readonly kernel: string
  readonly system: string
  readonly cgroups: string
  readonly node: string
  readonly runc: string
}

/** Describes this machine. */
export async function describeMachine(): Promise<Machine> {
  const osRelease = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(osRelease)?.[1] ?? process.platform,
    cgroups: existsSync('/sys/fs/cgroup/cgroup.controllers')
      ? 'v2'
      : existsSync('/sys/fs/cgroup/memory')
        ? 'v1'
        : 'none',
    node: process.version,
    runc: (await run('runc', ['--version'])).split('\n')[0]?.replace('runc version ', '') ?? 'unknown',
  }
}

/** Megabytes of memory that a process holds now (its resident set), and the most it ever held. */
export function memoryOf(pid: number): { nowMb: number; peakMb: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const megabytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1000
  return { nowMb: megabytes('VmRSS'), peakMb: megabytes('VmHWM') }
}
