import { limits, warningSignals, type JobRequest, type WarningSignal } from '@science-platform/contract'
import { InvalidRequest, shown } from './invalid.ts'
import type { StoredJob } from './job.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

/** How far the clock of a client may be behind before its `after` counts as past. */
const clockToleranceMs = minuteMs

/**
 * Start time, wish and warning signal of a job, checked against the present. Pure.
 * @throws {InvalidRequest} naming the field.
 */
export function timingOf(
  request: Pick<JobRequest, 'when' | 'after' | 'by' | 'signal' | 'timeSeconds'>,
  now: number,
): Pick<StoredJob, 'when' | 'after' | 'by' | 'signal'> {
  const after = request.after === undefined ? undefined : readInstant('after', request.after, now)
  const by = request.by === undefined ? undefined : readInstant('by', request.by, now)
  if (after !== undefined && after < now - clockToleranceMs) {
    throw new InvalidRequest(
      'after',
      `after is ${request.after}, which is in the past; now is ${instantText(now)}`,
      'Use a later instant, or leave after out to start as soon as there is capacity.',
    )
  }
  if (by !== undefined && by <= Math.max(now, after ?? now)) {
    throw new InvalidRequest(
      'by',
      by <= now
        ? `by is ${request.by}, which is in the past; now is ${instantText(now)}`
        : `by is ${request.by}, which is not later than after, ${request.after}`,
      'Use a later instant, or leave by out.',
    )
  }
  const signal = request.signal === undefined ? undefined : readSignal(request.signal, request.timeSeconds)
  return {
    ...(request.when === 'off-peak' ? { when: 'off-peak' } : {}),
    ...(after === undefined ? {} : { after }),
    ...(by === undefined ? {} : { by }),
    ...(signal === undefined ? {} : { signal }),
  }
}

/** Milliseconds of an instant with a zone (RFC 3339). @throws {InvalidRequest} naming `field`. */
function readInstant(field: string, text: string, now: number): number {
  const example = `Write it with its zone: ${instantText(now + dayMs)}, or 2026-11-24T18:00-08:00.`
  if (/\d{4}-\d\d-\d\d/.test(text) && !/(z|[+-]\d\d(:?\d\d)?)(\[.*\])?$/i.test(text.replace(/^\d{4}-\d\d-\d\d/, ''))) {
    throw new InvalidRequest(field, `${field} is ${shown(text)}, which does not say its time zone`, example)
  }
  let instant: number
  try {
    instant = Temporal.Instant.from(text).epochMilliseconds
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^Temporal error: /, '') : ''
    throw new InvalidRequest(field, `${field} is ${shown(text)}, which is not an instant (${why})`, example)
  }
  if (instant > now + limits.daysAhead * dayMs) {
    throw new InvalidRequest(
      field,
      `${field} is ${text}, which is more than ${limits.daysAhead} days ahead`,
      `Use an instant before ${instantText(now + limits.daysAhead * dayMs)}.`,
    )
  }
  return instant
}

/** `USR1@120`: the signal, and its seconds before the time limit. */
function readSignal(text: string, timeSeconds: number | undefined): NonNullable<StoredJob['signal']> {
  const [, name = '', seconds] = /^(?:SIG)?([A-Z0-9]+)@([1-9]\d{0,6})$/.exec(text) ?? []
  const secondsBefore = Number(seconds)
  if (!isWarningSignal(name)) {
    throw new InvalidRequest(
      'signal',
      `signal is ${shown(text)}, which is not SIGNAL@SECONDS`,
      `Write it as USR1@120; the signals are ${warningSignals.join(', ')}.`,
    )
  }
  if (timeSeconds === undefined) {
    throw new InvalidRequest(
      'signal',
      `signal is ${text}, but the job has no time limit of its own`,
      'Set timeSeconds too, or leave signal out.',
    )
  }
  if (secondsBefore >= timeSeconds) {
    throw new InvalidRequest(
      'signal',
      `signal is ${text}, but the time limit is ${timeSeconds} seconds`,
      `Use fewer than ${timeSeconds} seconds.`,
    )
  }
  return { name, secondsBefore }
}

const isWarningSignal = (name: string): name is WarningSignal => (warningSignals as readonly string[]).includes(name)

const instantText = (at: number): string => new Date(at).toISOString().replace(/\.\d{3}Z$/, 'Z')
