import type { Usage } from '@science-platform/contract'

/**
 * Usage from the files of a control group, v1 or v2, by file name. A file that is missing or has unexpected contents leaves its field
 * absent. Under v1 the kernel attributes buffered writes to no control group, so they are not counted.
 */
export function usageOf(files: Readonly<Record<string, string>>): Usage {
  const cpuSeconds =
    scaled(number(files['cpuacct.usage']), 1e9) ?? scaled(number(keyed(files['cpu.stat'], 'usage_usec')), 1e6)
  const memoryPeakBytes = number(files['memory.max_usage_in_bytes']) ?? number(files['memory.peak'])
  const oomKills =
    number(keyed(files['memory.oom_control'], 'oom_kill')) ?? number(keyed(files['memory.events'], 'oom_kill'))
  const memoryBytes = workingSet(files)
  const io = blockIo(files)
  return {
    ...(cpuSeconds === undefined ? {} : { cpuSeconds }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
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

function blockIo(files: Readonly<Record<string, string>>): Pick<Usage, 'readBytes' | 'writtenBytes'> {
  const v1 = files['blkio.throttle.io_service_bytes']
  if (v1 !== undefined)
    return { readBytes: total(v1, /^\S+ Read (\d+)$/gm), writtenBytes: total(v1, /^\S+ Write (\d+)$/gm) }
  const v2 = files['io.stat']
  if (v2 !== undefined) return { readBytes: total(v2, /\brbytes=(\d+)/g), writtenBytes: total(v2, /\bwbytes=(\d+)/g) }
  return {}
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
