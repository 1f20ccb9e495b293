import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRetryAfter } from './registry-error.ts'

test('Retry-After is read as seconds or as an HTTP date, and nothing else', () => {
  const now = Date.UTC(2026, 10, 30, 12, 0, 0)
  const table: readonly (readonly [string | undefined, number | undefined])[] = [
    [undefined, undefined],
    ['', undefined],
    ['40', 40_000],
    [' 0 ', 0],
    ['Mon, 30 Nov 2026 12:01:00 GMT', 60_000],
    ['Monday, 30-Nov-26 12:01:00 GMT', 60_000],
    ['Mon, 30 Nov 2026 11:00:00 GMT', 0],
    ['-5', undefined],
    ['soon', undefined],
    ['1.5', undefined],
  ]
  for (const [header, wanted] of table) assert.equal(readRetryAfter(header, now), wanted, header ?? 'absent')
})
