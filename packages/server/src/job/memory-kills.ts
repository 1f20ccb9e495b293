/** Processes of an attempt that the kernel killed because the attempt had reached its memory limit. */
export interface MemoryKills {
  readonly count: number
  /** Milliseconds since the epoch; absent where the executor does not see when. */
  readonly firstAt?: number
  /** Of the latest kill so far, in milliseconds since the epoch. */
  readonly lastAt?: number
  /** The memory limit in GiB. */
  readonly limitGb: number
}

/** What happened, in one sentence for the owner. Pure. */
export function memoryKillText({ count, firstAt, lastAt, limitGb }: MemoryKills): string {
  const processes = count === 1 ? 'one of its processes' : `${count} of its processes`
  const why = `because the job had reached its memory limit of ${limitGb} GiB`
  if (firstAt === undefined) return `The kernel killed ${processes} ${why}.`
  const from = second(firstAt)
  const to = second(lastAt ?? firstAt)
  return from === to
    ? `At ${from} the kernel killed ${processes} ${why}.`
    : `Between ${from} and ${to} the kernel killed ${processes} ${why}.`
}

/** Whether kills are worth an event: the first, and each doubling, so that a job that loses processes for ever fills no table. Pure. */
export const isMemoryKillEventDue = (before: number, now: number): boolean =>
  now > 0 && (before === 0 || Math.floor(Math.log2(now)) > Math.floor(Math.log2(before)))

const second = (at: number): string => new Date(at).toISOString().replace(/T(.*)\.\d+Z$/, ' $1 UTC')
