import { limits } from '@science-platform/contract/limits'
import { usageFailure } from '../failure.ts'

/** What `-l` asks for. What is left out is for the platform to choose. */
export interface PbsResources {
  readonly cores?: number
  /** GiB, rounded up. */
  readonly memoryGb?: number
  readonly gpus?: number
  readonly timeSeconds?: number
  readonly image?: string
}

/** Resources of a place, such as `1:ppn=4`: of one machine. */
const ofPlace: Readonly<Record<string, keyof PbsResources | 'nothing'>> = {
  ppn: 'cores',
  ncpus: 'cores',
  mem: 'memoryGb',
  gpus: 'gpus',
  ngpus: 'gpus',
  // Words of MPI launchers, which have one machine here.
  mpiprocs: 'nothing',
}

const ofJob: Readonly<Record<string, keyof PbsResources | 'nothing'>> = {
  ncpus: 'cores',
  procs: 'cores',
  mem: 'memoryGb',
  gpus: 'gpus',
  ngpus: 'gpus',
  walltime: 'timeSeconds',
  image: 'image',
  // How chunks are spread over machines: there is one chunk.
  place: 'nothing',
}

const instead: Readonly<Record<string, string>> = {
  vmem: 'use mem=4gb; there is no limit of address space',
  pvmem: 'use mem=4gb; there is no limit of address space',
  pmem: 'use mem=4gb, for all processes of the job together',
  cput: 'use walltime=HH:MM:SS',
  pcput: 'use walltime=HH:MM:SS',
  ompthreads: 'set the variable: -v OMP_NUM_THREADS=4',
}

/** Reads the value of one `-l`, such as `nodes=1:ppn=4,mem=4gb,walltime=01:00:00`. @throws {CommandFailure} for other resources */
export function readResources(list: string, where = ''): PbsResources {
  const found: Record<string, number | string> = {}
  const set = (table: typeof ofJob, key: string, value: string): void => {
    const meaning = Object.hasOwn(table, key) ? table[key] : undefined
    if (meaning === undefined)
      throw usageFailure(
        `${where}-l ${list}: ${value === '' ? `'${key}'` : `the resource ${key}`} is not known here`,
        instead[key] ??
          `leave it out; known are nodes=1:ppn=N, select=1:ncpus=N:mem=4gb, ${Object.keys(ofJob).join(', ')}`,
      )
    if (meaning === 'nothing') return
    found[meaning] = meaning === 'image' ? value : numberOf(meaning, key, value, where)
  }
  for (const item of list.split(',')) {
    const [key, value] = halves(item)
    if (key === 'nodes' || key === 'select') {
      const [count = '', ...parts] = value.split(':')
      if (count !== '1' || value.includes('+'))
        throw usageFailure(
          `${where}-l ${item}: a job runs on one machine`,
          `use ${key}=1:… and submit a job for each machine`,
        )
      for (const part of parts) set(ofPlace, ...halves(part))
    } else set(ofJob, key, value)
  }
  return found
}

const halves = (item: string): [string, string] => {
  const at = item.indexOf('=')
  return at === -1 ? [item.trim(), ''] : [item.slice(0, at).trim(), item.slice(at + 1).trim()]
}

function numberOf(meaning: Exclude<keyof PbsResources, 'image'>, key: string, value: string, where: string): number {
  const number = meaning === 'memoryGb' ? gibibytes(value) : meaning === 'timeSeconds' ? seconds(value) : whole(value)
  const [minimum, maximum] = [meaning === 'gpus' ? 0 : 1, limits[meaning]]
  if (number !== undefined && number >= minimum && number <= maximum) return number
  const words = {
    cores: `use a whole number from 1 to ${maximum}`,
    gpus: `use a whole number from 0 to ${maximum}`,
    memoryGb: `use a size up to ${maximum}gb, such as ${key}=4gb or ${key}=4000mb`,
    timeSeconds: `use ${key}=HH:MM:SS, up to ${maximum / 86_400} days`,
  }
  throw usageFailure(`${where}-l: ${key} is '${value}'`, words[meaning])
}

const whole = (text: string): number | undefined => (/^\d+$/.test(text) ? Number(text) : undefined)

/** A size of PBS in GiB, rounded up: units are powers of 1024, a word has 8 bytes, and a number alone counts bytes. */
function gibibytes(text: string): number | undefined {
  const [, count, prefix = '', unit = 'b'] = /^(\d+(?:\.\d+)?)([kmgt]?)([bw]?)$/.exec(text.toLowerCase()) ?? []
  if (count === undefined) return undefined
  const bytes = Number(count) * 1024 ** ['', 'k', 'm', 'g', 't'].indexOf(prefix) * (unit === 'w' ? 8 : 1)
  return Math.ceil(bytes / 1024 ** 3)
}

/** Seconds of `SS`, `MM:SS`, `HH:MM:SS` or `DD:HH:MM:SS`. */
function seconds(text: string): number | undefined {
  if (!/^\d+(:\d+){0,3}$/.test(text)) return undefined
  const sizes = [1, 60, 3_600, 86_400]
  return text
    .split(':')
    .reverse()
    .reduce((sum, part, index) => sum + Number(part) * (sizes[index] ?? 0), 0)
}

/** Seconds as `HH:MM:SS`, as PBS prints them. */
export const clock = (total: number): string =>
  [Math.floor(total / 3_600), Math.floor(total / 60) % 60, Math.floor(total) % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join(':')
