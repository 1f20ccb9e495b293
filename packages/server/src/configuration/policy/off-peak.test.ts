import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { InvalidPolicy } from './invalid-policy.ts'
import { OffPeakHours } from './off-peak.ts'
import type { OffPeak } from './policy.ts'

const evenings: OffPeak = {
  days: ['mon', 'tue', 'wed', 'thu', 'fri'],
  from: '18:00',
  to: '08:00',
  weekends: true,
  timezone: 'America/Vancouver',
}
const at = (text: string, zone = evenings.timezone): number =>
  Temporal.PlainDateTime.from(text).toZonedDateTime(zone).epochMilliseconds
const hour = 3_600_000

test('evenings, nights and weekends are off-peak, to the minute', () => {
  const hours = new OffPeakHours(evenings)
  const open = (text: string): boolean => hours.isOpen(at(text))
  assert.deepEqual(['2026-11-23T17:59:59', '2026-11-23T18:00', '2026-11-24T07:59:59', '2026-11-24T08:00'].map(open), [
    false,
    true,
    true,
    false,
  ])
  // From Friday evening to Monday morning it is one stretch.
  assert.equal(hours.nextEdge(at('2026-11-27T18:00')), at('2026-11-30T08:00'))
  assert.equal(hours.nextOpening(at('2026-11-30T08:00')), at('2026-11-30T18:00'))
  assert.equal(hours.between(at('2026-11-23T00:00'), at('2026-11-30T00:00')), (168 - 5 * 10) * hour)
})

test('a window that does not go over midnight, without weekends', () => {
  const hours = new OffPeakHours({ ...evenings, from: '12:00', to: '13:00', weekends: false })
  assert.equal(hours.between(at('2026-11-23T00:00'), at('2026-11-30T00:00')), 5 * hour)
  assert.equal(hours.nextOpening(at('2026-11-27T13:00')), at('2026-11-30T12:00'))
})

test('weekends are the days that they are where the platform is', () => {
  const cairo = { ...evenings, weekends: ['fri', 'sat'], timezone: 'Africa/Cairo' } as const
  const hours = new OffPeakHours({ ...cairo, days: ['sun', 'mon', 'tue', 'wed', 'thu'] })
  // From Thursday evening to Sunday morning.
  assert.equal(hours.nextEdge(at('2026-11-26T18:00', cairo.timezone)), at('2026-11-29T08:00', cairo.timezone))
  assert.equal(hours.nextOpening(at('2026-11-29T08:00', cairo.timezone)), at('2026-11-29T18:00', cairo.timezone))
  const apart = new OffPeakHours({ ...cairo, days: [], weekends: ['tue'], from: '08:00', to: '18:00' })
  assert.equal(apart.nextOpening(at('2026-11-23T12:00', cairo.timezone)), at('2026-11-24T00:00', cairo.timezone))
  assert.equal(apart.nextEdge(at('2026-11-24T12:00', cairo.timezone)), at('2026-11-25T00:00', cairo.timezone))
})

test('hours that come twice or never, at changes to and from daylight saving, count as they pass', () => {
  const newYork = { ...evenings, weekends: false, timezone: 'America/New_York' }
  const noon = (day: string): number => at(`${day}T12:00`, newYork.timezone)
  const hours = new OffPeakHours({ ...newYork, days: ['sat'], from: '23:00', to: '07:00' })
  // In the night to 8 March 2026 an hour is left out, in that to 1 November one comes twice.
  assert.equal(hours.between(noon('2026-03-07'), noon('2026-03-08')), 7 * hour)
  assert.equal(hours.between(noon('2026-10-31'), noon('2026-11-01')), 9 * hour)
  const gap = new OffPeakHours({ ...newYork, days: ['sun'], from: '02:30', to: '04:00' })
  const opens = gap.nextOpening(noon('2026-03-07')) ?? 0
  assert.equal(new Date(opens).toISOString(), '2026-03-08T07:30:00.000Z', 'half past two is when it would have been')
  const twice = new OffPeakHours({ ...newYork, days: ['sun'], from: '01:30', to: '04:00' })
  const first = twice.nextOpening(noon('2026-10-31')) ?? 0
  assert.equal(new Date(first).toISOString(), '2026-11-01T05:30:00.000Z', 'the first half past one')
})

test('always and never have no edges', () => {
  const always = new OffPeakHours({
    ...evenings,
    days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
    from: '00:00',
    to: '00:00',
  })
  assert.equal(always.isOpen(at('2026-11-24T12:00')), true)
  assert.equal(always.nextEdge(at('2026-11-24T12:00')), undefined)
  const never = new OffPeakHours({ ...evenings, days: [], weekends: false })
  assert.equal(never.isOpen(at('2026-11-24T12:00')), false)
  assert.equal(never.nextOpening(at('2026-11-24T12:00')), undefined)
})

test('a clock that is absurd gets an answer', () => {
  const hours = new OffPeakHours(evenings)
  for (const absurd of [-8.64e15, 0, 8.64e15]) assert.equal(hours.isOpen(absurd), false)
  assert.equal(hours.between(0, 1), 0)
})

test('what lies between two instants is the sum of its parts, and each edge changes what holds', () => {
  const hours = new OffPeakHours(evenings)
  const instant = fc.integer({ min: at('2026-01-01T00:00'), max: at('2027-12-31T00:00') })
  fc.assert(
    fc.property(instant, instant, instant, (a, b, c) => {
      const [first, second, third] = [a, b, c].toSorted((x, y) => x - y) as [number, number, number]
      assert.equal(hours.between(first, second) + hours.between(second, third), hours.between(first, third))
      const edge = hours.nextEdge(first) ?? 0
      assert.ok(edge > first)
      assert.notEqual(hours.isOpen(edge), hours.isOpen(first))
      assert.equal(hours.isOpen(edge - 1), hours.isOpen(first))
    }),
  )
})

test('days, times and zones that do not exist are refused with what would do', () => {
  const refuse = (parts: object, message: RegExp) =>
    assert.throws(
      () => new OffPeakHours({ ...evenings, ...parts }),
      (error) => error instanceof InvalidPolicy && message.test(`${error.message} ${error.hint}`),
    )
  refuse({ days: ['someday'] }, /offPeak.days: "someday" is not a day Use mon/)
  refuse({ weekends: ['friday'] }, /offPeak.weekends: "friday" is not a day Use mon/)
  refuse({ from: '24:00' }, /offPeak.from: "24:00" is not a time of day Write it as HH:MM/)
  refuse({ to: '8am' }, /offPeak.to: "8am"/)
  refuse({ timezone: 'Mars/Base' }, /offPeak.timezone: "Mars\/Base" is not a time zone Use an IANA name/)
})
