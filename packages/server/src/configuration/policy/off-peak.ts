import { InvalidPolicy } from './invalid-policy.ts'
import { type OffPeak, type Policy, type Weekday, weekdays } from './policy.ts'
import { countBefore } from '../../lib/sorted.ts'

const dayMs = 86_400_000
/** Off-peak time is summed from this day on. No job is older. */
const firstDay = Temporal.PlainDate.from('2025-01-01')
const firstInstant = firstDay.toZonedDateTime('UTC').epochMilliseconds
/** Later instants come from a wrong clock and count as not off-peak. */
const lastInstant = firstInstant + 60 * 365 * dayMs
/** Days to search for the next edge. Every rule with days has one earlier. */
const searchDays = 16

interface Stretch {
  readonly from: number
  to: number
  /** Milliseconds in all stretches before this one. */
  readonly before: number
}

/** The off-peak hours of a policy; undefined where it has none. */
export const offPeakHoursOf = ({ offPeak }: Pick<Policy, 'offPeak'>): OffPeakHours | undefined =>
  offPeak === undefined ? undefined : new OffPeakHours(offPeak)

/**
 * Off-peak hours as instants. An edge in an hour that a change to daylight saving skips is moved by the change; an edge in a
 * repeated hour is at the first occurrence (Temporal's disambiguation `compatible`).
 */
export class OffPeakHours {
  readonly #rule: OffPeak
  readonly #weekend: readonly Weekday[]
  readonly #from: Temporal.PlainTime
  readonly #to: Temporal.PlainTime
  /** Sorted and disjoint. Contains every window that begins before `#next`. */
  readonly #stretches: Stretch[] = []
  #next = firstDay
  #complete = firstInstant

  /** @throws {InvalidPolicy} for an invalid day, time or zone. */
  constructor(rule: OffPeak) {
    this.#rule = rule
    this.#weekend = weekendOf(rule)
    requireDays('offPeak.days', rule.days)
    requireDays('offPeak.weekends', this.#weekend)
    this.#from = timeOfDay('offPeak.from', rule.from)
    this.#to = timeOfDay('offPeak.to', rule.to)
    zone(rule.timezone)
  }

  /** The IANA name of the time zone. */
  get timezone(): string {
    return this.#rule.timezone
  }

  isOpen(at: number): boolean {
    const stretch = this.#at(at)
    return stretch !== undefined && at < stretch.to
  }

  /** The next beginning or end of off-peak hours; undefined without one. */
  nextEdge(at: number): number | undefined {
    this.#reach(at + searchDays * dayMs)
    const stretch = this.#at(at)
    if (stretch !== undefined && at < stretch.to)
      return stretch.to < at + (searchDays - 4) * dayMs ? stretch.to : undefined
    return this.nextOpening(at)
  }

  /** The next off-peak instant: `at` itself in off-peak hours. Undefined: never. */
  nextOpening(at: number): number | undefined {
    if (this.isOpen(at)) return at
    this.#reach(at + searchDays * dayMs)
    const next = this.#stretches[this.#find(at) + 1]
    return next?.from
  }

  /** The values that {@link isOpen} takes over time: both, or one where the hours are always or never open. */
  get times(): readonly boolean[] {
    // The rule repeats every week, so any instant works.
    const anyTime = firstInstant + 7 * dayMs
    return this.nextEdge(anyTime) === undefined ? [this.isOpen(anyTime)] : [false, true]
  }

  /** Milliseconds of off-peak hours between two instants. */
  between(from: number, to: number): number {
    return this.#before(to) - this.#before(from)
  }

  #before(at: number): number {
    const stretch = this.#at(at)
    return stretch === undefined ? 0 : stretch.before + Math.min(at, stretch.to) - stretch.from
  }

  /** The last stretch that begins at or before this. */
  #at(at: number): Stretch | undefined {
    this.#reach(at + 4 * dayMs)
    return this.#stretches[this.#find(at)]
  }

  #find(at: number): number {
    return countBefore(this.#stretches, ({ from }) => from <= at) - 1
  }

  #reach(at: number): void {
    const end = Math.min(at, lastInstant)
    while (this.#complete < end) {
      for (const [from, to] of this.#windowsFrom(this.#next)) this.#add(from, to)
      this.#next = this.#next.add({ days: 1 })
      this.#complete += dayMs
    }
  }

  #add(from: number, to: number): void {
    const last = this.#stretches.at(-1)
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to)
    else if (to > from)
      this.#stretches.push({ from, to, before: last === undefined ? 0 : last.before + last.to - last.from })
  }

  /** The windows that begin on a day. */
  #windowsFrom(day: Temporal.PlainDate): [number, number][] {
    const windows: [number, number][] = []
    const weekday = weekdays[day.dayOfWeek - 1] as Weekday
    const dayAfter = day.add({ days: 1 })
    const overMidnight = Temporal.PlainTime.compare(this.#to, this.#from) <= 0
    if (this.#weekend.includes(weekday))
      windows.push([this.#instant(day), this.#instant(dayAfter, overMidnight ? this.#to : undefined)])
    if (this.#rule.days.includes(weekday))
      windows.push([this.#instant(day, this.#from), this.#instant(overMidnight ? dayAfter : day, this.#to)])
    return windows
  }

  #instant(day: Temporal.PlainDate, time?: Temporal.PlainTime): number {
    return day.toPlainDateTime(time).toZonedDateTime(this.#rule.timezone, { disambiguation: 'compatible' })
      .epochMilliseconds
  }
}

const weekendOf = ({ weekends }: OffPeak): readonly Weekday[] =>
  typeof weekends === 'boolean' ? (weekends ? ['sat', 'sun'] : []) : weekends

function requireDays(key: string, days: readonly string[]): void {
  const strange = days.find((day) => !(weekdays as readonly string[]).includes(day))
  if (strange !== undefined)
    throw new InvalidPolicy(key, `${JSON.stringify(strange)} is not a day`, `Use ${weekdays.join(', ')}.`)
}

function timeOfDay(key: string, text: string): Temporal.PlainTime {
  if (!/^([01]\d|2[0-3]):[0-5]\d$/.test(text))
    throw new InvalidPolicy(
      key,
      `${JSON.stringify(text)} is not a time of day`,
      'Write it as HH:MM, "18:00" for example.',
    )
  return Temporal.PlainTime.from(text)
}

function zone(name: string): void {
  try {
    firstDay.toZonedDateTime(name)
  } catch {
    throw new InvalidPolicy(
      'offPeak.timezone',
      `${JSON.stringify(name)} is not a time zone`,
      'Use an IANA name, America/Vancouver for example.',
    )
  }
}
