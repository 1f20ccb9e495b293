import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lastLinesOf } from './last-lines.ts'

const lines = (text: string, isCut = false) => lastLinesOf(Buffer.from(text), isCut)

test('the last lines are those that a terminal would show last', () => {
  assert.deepEqual(lines('a\nb\n'), ['a', 'b'])
  assert.deepEqual(lines(''), [])
  assert.deepEqual(lines('\n\n'), [])
  assert.deepEqual(lines('a\n\nb\n\n'), ['a', '', 'b'])
  assert.deepEqual(lines('cut off\nwhole\n', true), ['whole'])
  assert.deepEqual(lines('one line without an end', true), ['one line without an end'])
  assert.deepEqual(lines('\r 1%\r 2%\r\n\u001b[31mred\u001b[0m\u0007\n'), [' 2%', 'red'])
  assert.equal(lines(Array.from({ length: 30 }, (_, i) => `line ${i}\n`).join(''))[0], 'line 20')
  assert.equal(lines('x'.repeat(500))[0]?.length, 201)
})
