import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandFailure } from '../failure.ts'
import { parseInstant } from './instant.ts'

const now = Temporal.ZonedDateTime.from('2026-11-24T15:00:00-08:00[America/Los_Angeles]')
const read = (text: string) => parseInstant('--after', text, now)

test('typed times', () => {
  assert.equal(read('2h'), '2026-11-25T01:00:00Z')
  assert.equal(read('+90m'), '2026-11-25T00:30:00Z')
  assert.equal(read('18:00'), '2026-11-25T02:00:00Z')
  assert.equal(read('9:30'), '2026-11-25T17:30:00Z', 'which is past today, so tomorrow')
  assert.equal(read('2026-12-24 18:00'), '2026-12-25T02:00:00Z')
  assert.equal(read('2026-12-24'), '2026-12-24T08:00:00Z')
  assert.equal(read('2026-12-24T18:00+01:00'), '2026-12-24T17:00:00Z')
  assert.equal(read('2026-12-24T18:00:30Z'), '2026-12-24T18:00:30Z')
})

test('a local time in summer has the summer offset, and a time that a clock change skips moves after it', () => {
  assert.equal(read('2027-07-01 12:00'), '2027-07-01T19:00:00Z')
  assert.equal(read('2027-03-14 02:30'), '2027-03-14T10:30:00Z')
})

test('other texts are refused with examples', () => {
  for (const text of ['', 'soon', '25:00', '2026-02-30', '2026-11-24T18:00+99:00', '5', '-2h'])
    assert.throws(
      () => read(text),
      (error) => error instanceof CommandFailure && error.message.includes(`--after is '${text}'`),
      text,
    )
})
