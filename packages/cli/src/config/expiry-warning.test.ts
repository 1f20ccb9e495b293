import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expiryWarning } from './expiry-warning.ts'

test('a token that expires within a week causes a warning, others do not', () => {
  const now = Date.parse('2026-11-23T08:00:00.000Z')
  assert.match(expiryWarning('2026-11-25T09:00:00.000Z', now) ?? '', /expires in 2 d 1 h; .*canfar auth login/)
  for (const other of [
    null,
    '',
    'soon',
    '2026-11-30T08:00:00.000Z',
    '2026-11-23T08:00:00.000Z',
    '2025-01-01T00:00:00Z',
  ])
    assert.equal(expiryWarning(other, now), undefined, String(other))
})
