import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestedFormat, serialise } from './format.ts'

test('the format may stand anywhere before --', () => {
  const lines: [string, string][] = [
    ['ps', 'human'],
    ['ps --json', 'json'],
    ['ps -o yaml', 'yaml'],
    ['--output json ps', 'json'],
    ['ps --output=yaml', 'yaml'],
    ['ps -ojson', 'json'],
    ['ps -o csv', 'human'],
    ['create headless x -- tool --json', 'human'],
  ]
  for (const [line, format] of lines) assert.equal(requestedFormat(line.split(' ')), format, line)
})

test('values are written as JSON or YAML', async () => {
  assert.equal(await serialise(['a'], 'json'), '[\n  "a"\n]')
  assert.equal(await serialise([{ id: 'a' }], 'yaml'), '- id: a')
})
