import type { Postponement } from '../../job/job.ts'
import type { Capacity } from '../../job/resources.ts'
import type { LimitHit, Needs, Reason } from '../cache/snapshot.ts'

/** How instants are written; the caller knows the reader's zone. */
export type WriteInstant = (at: number) => string

/**
 * Why a job waits, in one or two sentences, with what its user can do.
 * @param timezone - The zone that off-peak hours follow: their beginning is also written by its clock.
 */
export function reasonText(reason: Reason, writeInstant: WriteInstant, timezone = 'UTC'): string {
  switch (reason.kind) {
    case 'placed':
      return `It starts on ${reason.node} now.`
    case 'turn':
      return 'It is next and is about to be placed.'
    case 'not-before':
      return `It was submitted with a start time: it does not start before ${writeInstant(reason.at)}.`
    case 'window':
      return reason.opensAt === undefined
        ? 'It waits for off-peak hours, and the platform has none. Submit it again without `--when off-peak`.'
        : `It waits for off-peak hours, which begin ${opening(reason.opensAt, writeInstant, timezone)}.`
    case 'limit':
      return limitText(reason, (at) => opening(at, writeInstant, timezone))
    case 'no-node':
      return reason.largest === undefined
        ? 'It waits for a node: none is there now.'
        : `No node that is there now could hold ${ask(reason.asks)}; the largest has ${have(reason.largest, reason.asks)}.`
    case 'reservation':
      return `It is next: ${ask(reason.asks)} are reserved for it on ${reason.node}, which is expected to have room by ${writeInstant(reason.at)}.`
    case 'resources':
      return reason.ableNodes === 1
        ? `It waits for ${ask(reason.asks)}: the one node that could hold it has ${have(reason.mostFree, reason.asks)} free.`
        : `It waits for ${ask(reason.asks)}: of the ${reason.ableNodes} nodes that could hold it none has more than ${have(reason.mostFree, reason.asks)} free.`
    case 'backfill':
      return (
        `There is room for it, but from ${writeInstant(reason.reservedAt)} on a job ahead of it has a reservation there, and this job ` +
        `is estimated to run for ${duration(reason.plannedSeconds)}. With a shorter \`--time\` it may start sooner.`
      )
  }
}

/** Why a job that was returned to the queue waits, when it is tried again, and when it is given up. Pure. */
export function triedAgainText(
  { notBefore, postponed }: { readonly notBefore: number; readonly postponed: Postponement },
  now: number,
  writeInstant: WriteInstant,
): string {
  const { cause, until } = postponed
  const seconds = Math.max(1, Math.ceil((notBefore - now) / 1000))
  return `${cause.message} It is tried again in ${duration(seconds)}, and given up at ${writeInstant(until)}.`
}

function limitText(
  { holder, name, on, limit, allocated, reserved = 0, asks, larger }: LimitHit,
  writeOpening: WriteInstant,
): string {
  const whose = holder === 'user' ? "its owner's limit" : `the limit of its group, ${name}`
  const isOfJobs = on === 'running'
  const used = isOfJobs
    ? `${count(allocated, 'job')} ${allocated === 1 ? 'runs' : 'run'}, and ${number(limit)} may at once`
    : `${number(allocated)} of ${amount(limit, on)} ${allocated === 1 ? 'is' : 'are'} allocated`
  const ahead = reserved === 0 ? '' : `, ${number(reserved)} ${reserved === 1 ? 'is' : 'are'} reserved for jobs ahead`
  const asked = isOfJobs ? '' : `, and it asks for ${number(asks)}`
  const later =
    larger === undefined
      ? ''
      : ` In off-peak hours, from ${writeOpening(larger.at)}, the limit is ${amount(larger.limit, on)}.`
  return `It waits for ${whose}: ${used}${ahead}${asked}.${later}`
}

function opening(at: number, writeInstant: WriteInstant, timezone: string): string {
  if (timezone === 'UTC') return writeInstant(at)
  const time = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timezone).toPlainTime()
  return `${writeInstant(at)} (${time.toString({ smallestUnit: 'minute' })} in ${timezone})`
}

const units = {
  cores: ['core', 'cores'],
  memoryGb: ['GiB of memory', 'GiB of memory'],
  gpus: ['GPU', 'GPUs'],
  running: ['running job', 'running jobs'],
} as const

const amount = (value: number, on: keyof typeof units): string => `${number(value)} ${units[on][value === 1 ? 0 : 1]}`

const count = (value: number, noun: string): string => `${number(value)} ${noun}${value === 1 ? '' : 's'}`

function ask({ cores, memoryGb, gpus, gpuKind }: Needs): string {
  const parts = [amount(cores, 'cores'), amount(memoryGb, 'memoryGb')]
  if (gpus > 0) parts.push(amount(gpus, 'gpus') + (gpuKind === undefined ? '' : ` (${gpuKind})`))
  return list(parts)
}

function have({ cores, memoryGb, gpus }: Capacity, asks: Needs): string {
  const parts = [amount(cores, 'cores'), amount(memoryGb, 'memoryGb')]
  if (asks.gpus > 0) parts.push(amount(gpus, 'gpus'))
  return list(parts)
}

const list = (parts: readonly string[]): string => `${parts.slice(0, -1).join(', ')} and ${parts.at(-1) ?? ''}`

const number = (value: number): string => String(Math.max(0, Math.round(value * 10) / 10))

/** A duration in the largest unit that is precise enough. */
export function duration(seconds: number): string {
  if (seconds < 90) return count(Math.round(seconds), 'second')
  if (seconds < 5400) return count(Math.round(seconds / 60), 'minute')
  if (seconds < 172_800) return count(Math.round(seconds / 360) / 10, 'hour')
  return count(Math.round(seconds / 8640) / 10, 'day')
}
