import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fields, wrap } from './fields.ts'

test('long values continue in their own column', () => {
  assert.equal(
    fields(
      [
        ['State', 'failed'],
        ['Cause', 'It needed more memory than it had.'],
        ['Exit code', undefined],
      ],
      28,
    ),
    ['State  failed', 'Cause  It needed more memory', '       than it had.'].join('\n'),
  )
})

test('words stay whole and line breaks stay', () => {
  assert.deepEqual(wrap('sha256:0123456789 a\nb', 8), ['sha256:0123456789', 'a', 'b'])
})
