import assert from 'node:assert/strict'
import { test } from 'node:test'
import { styleText } from 'node:util'
import { recordText, type LogRecord } from './log-text.ts'

const plain = { colours: false, stacks: false }
const record = (more: Partial<LogRecord>): LogRecord => ({
  level: 30,
  time: Date.parse('2026-11-23T08:37:45.120Z'),
  pid: 7,
  hostname: 'vm',
  msg: 'job changed state',
  ...more,
})
const err = {
  type: 'RegistryError',
  message: 'GET https://r.test/v2/:\n  no answer',
  stack: 'RegistryError: no answer\n    at exchange (exchange.ts:57:1)',
  cause: { type: 'Error', message: 'connect ECONNREFUSED', code: 'ECONNREFUSED', stack: 'Error: connect\n    at x' },
}

test('a record is one line: time, level, message, fields', () => {
  assert.equal(
    recordText(record({ jobId: 'k3x9a0qz', slots: [1, 2], hint: 'Free some "space".', empty: '' }), plain),
    '2026-11-23T08:37:45.120Z INFO  job changed state jobId=k3x9a0qz slots=[1,2] hint="Free some \\"space\\"." empty=""\n',
  )
})

test('every level has a name', () => {
  const words = [60, 50, 40, 30, 20, 10].map((level) => recordText(record({ level }), plain).split(' ')[1])
  assert.deepEqual(words, ['FATAL', 'ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE'])
})

test('a multi-line error is one line with its causes, without its stack', () => {
  assert.equal(
    recordText(record({ level: 40, msg: 'registry cannot be listed', registry: 'r.test', err }), plain),
    '2026-11-23T08:37:45.120Z WARN  registry cannot be listed registry=r.test error="GET https://r.test/v2/:; no answer: connect ECONNREFUSED"\n',
  )
})

test('with stacks enabled, the stacks of the error and its causes follow', () => {
  const lines = recordText(record({ err }), { colours: false, stacks: true }).split('\n')
  assert.deepEqual(lines.slice(1), [
    '    RegistryError: no answer',
    '    at exchange (exchange.ts:57:1)',
    '    Error: connect',
    '    at x',
    '',
  ])
})

test('an error without a message is named by its type', () => {
  assert.match(recordText(record({ err: { type: 'string' } }), plain), / error=string\n$/)
})

test('colours are optional, and control characters are escaped', () => {
  const text = recordText(record({ msg: 'a\u001b[2Jb\nc', hint: '\u009b31m\r\n' }), plain)
  assert.equal(text, '2026-11-23T08:37:45.120Z INFO  a\\u001b[2Jb; c hint="\\u009b31m\\u000d\\u000a"\n')
  const coloured = recordText(record({ level: 40 }), { colours: true, stacks: false })
  assert.ok(coloured.includes(styleText('yellow', 'WARN ', { validateStream: false })), coloured)
})
