import type { Usage } from '@science-platform/contract'
import { residentKeys } from '../container/cgroups.ts'

/**
 * Usage from the files of a control group, v1 or v2, by file name. A file that is missing or has unexpected contents leaves its field
 * absent, as does a counter that the kernel does not keep.
 */
export function usageOf(files: Readonly<Record<string, string>>): Usage {
  const cpuSeconds =
    scaled(number(files['cpuacct.usage']), 1e9) ?? scaled(number(keyed(files['cpu.stat'], 'usage_usec')), 1e6)
  const memoryPeakBytes = number(files['memory.max_usage_in_bytes']) ?? number(files['memory.peak'])
  const oomKills =
    number(keyed(files['memory.oom_control'], 'oom_kill')) ?? number(keyed(files['memory.events'], 'oom_kill'))
  const memoryBytes = workingSet(files)
  const residentBytes = resident(files['memory.stat'])
  const io = blockIo(files)
  return {
    ...(cpuSeconds === undefined ? {} : { cpuSeconds }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(residentBytes === undefined ? {} : { residentBytes }),
    ...(memoryPeakBytes === undefined ? {} : { memoryPeakBytes }),
    ...(oomKills === undefined ? {} : { oomKills }),
    ...io,
  }
}

/** Cores in use between two samples of CPU time; undefined when less than 0.2 s lie between them. */
export function coresBetween(
  before: { at: number; cpuSeconds: number },
  after: { at: number; cpuSeconds: number },
): number | undefined {
  const seconds = (after.at - before.at) / 1000
  return seconds < 0.2 ? undefined : Math.max(0, (after.cpuSeconds - before.cpuSeconds) / seconds)
}

/** Memory that the kernel cannot reclaim at once: charged pages without inactive file pages, as `kubectl top` counts. */
function workingSet(files: Readonly<Record<string, string>>): number | undefined {
  const charged = number(files['memory.usage_in_bytes']) ?? number(files['memory.current'])
  if (charged === undefined) return undefined
  const idle = number(keyed(files['memory.stat'], 'inactive_file')) ?? 0
  return Math.max(0, charged - idle)
}

/** Memory that the kernel cannot take back without swap: anonymous pages, and pages of /dev/shm and tmpfs. */
function resident(stat: string | undefined): number | undefined {
  for (const keys of [residentKeys[1], residentKeys[2]]) {
    const [anonymous, shared] = keys.map((key) => number(keyed(stat, key)))
    if (anonymous !== undefined) return anonymous + (shared ?? 0)
  }
  return undefined
}

/**
 * Bytes of block devices, only where they were counted. Nothing tells a counter of 0 from one that is not kept: not every device
 * has one, network file systems have none, and v1 counts buffered writes for no control group.
 */
function blockIo(files: Readonly<Record<string, string>>): Pick<Usage, 'readBytes' | 'writtenBytes'> {
  const v1 = files['blkio.throttle.io_service_bytes']
  const v2 = files['io.stat'] ?? ''
  const [read, written] =
    v1 === undefined
      ? [total(v2, /\brbytes=(\d+)/g), total(v2, /\bwbytes=(\d+)/g)]
      : [total(v1, /^\S+ Read (\d+)$/gm), total(v1, /^\S+ Write (\d+)$/gm)]
  // v2 counts both for a device or neither: with one of them the 0 of the other is a count.
  const isCounted = v1 === undefined && read + written > 0
  return {
    ...(read > 0 || isCounted ? { readBytes: read } : {}),
    ...(written > 0 || isCounted ? { writtenBytes: written } : {}),
  }
}

const total = (text: string, pattern: RegExp): number =>
  [...text.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0)

/** The value after `key` in lines of `key value`. */
const keyed = (text: string | undefined, key: string): string | undefined =>
  text
    ?.split('\n')
    .find((line) => line.startsWith(`${key} `))
    ?.slice(key.length + 1)

const number = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined

const scaled = (value: number | undefined, by: number): number | undefined =>
  value === undefined ? undefined : value / by
