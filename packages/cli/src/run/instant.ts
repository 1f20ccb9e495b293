import { usageFailure } from '../failure.ts'
import { parseDuration } from '../output/quantities.ts'

/**
 * An instant (RFC 3339, UTC) from typed text: `2h` from now, the next `18:00`, `2026-11-24 18:00` or `2026-11-24` in local
 * time, `2026-11-24T18:00-08:00` in any zone.
 */
export function parseInstant(option: string, text: string, now: Temporal.ZonedDateTime): string {
  try {
    return read(text.trim(), now).toString({ fractionalSecondDigits: 0 })
  } catch (error) {
    throw usageFailure(
      `${option} is '${text}'`,
      `use a time such as 2h, 18:00, '2026-11-24 18:00' or 2026-11-24T18:00-08:00`,
      error,
    )
  }
}

function read(text: string, now: Temporal.ZonedDateTime): Temporal.Instant {
  const seconds = /[smhd]$/.test(text) ? parseDuration(text.replace(/^\+/, '')) : undefined
  if (seconds !== undefined) return now.toInstant().add({ seconds })
  if (/^\d{1,2}:\d\d$/.test(text)) return nextTime(Temporal.PlainTime.from(text.padStart(5, '0')), now)
  if (/(z|[+-]\d\d:?\d\d)$/i.test(text.slice('2026-11-24'.length))) return Temporal.Instant.from(text)
  return Temporal.PlainDateTime.from(text).toZonedDateTime(now.timeZoneId).toInstant()
}

function nextTime(time: Temporal.PlainTime, now: Temporal.ZonedDateTime): Temporal.Instant {
  const today = now.withPlainTime(time)
  const isOver = Temporal.ZonedDateTime.compare(today, now) <= 0
  return (
    isOver ? now.toPlainDate().add({ days: 1 }).toZonedDateTime({ timeZone: now.timeZoneId, plainTime: time }) : today
  ).toInstant()
}
