import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidRequest } from './invalid.ts'
import { checkLabels, labelFilter } from './labels.ts'

const refused = (labels: Readonly<Record<string, string>>): string => {
  try {
    checkLabels(labels)
  } catch (error) {
    assert.ok(error instanceof InvalidRequest)
    assert.notEqual(error.hint, '')
    return `${error.field}: ${error.message}`
  }
  return 'accepted'
}
const some = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, '']))

test('labels of any printable value are accepted, up to the bounds', () => {
  const labels = {
    'a/b.c_d-E9': '',
    run: `= "'$ ü 🔭 ${'x'.repeat(240)}`,
    ['k'.repeat(63)]: 'v'.repeat(255),
    ...some(29),
  }
  assert.equal(checkLabels(labels), labels)
})

test('labels beyond the bounds are refused by name', () => {
  assert.match(refused(some(33)), /^labels: labels has 33 entries, at most 32 are allowed/)
  for (const key of ['', 'k'.repeat(64), 'a b', 'a=b', 'ü', 'a\n', 'a\0'])
    assert.match(refused({ [key]: 'x' }), /^labels: labels has the key "/)
  assert.match(refused({ run: 'v'.repeat(256) }), /^labels\.run: labels\.run has 256 characters/)
  for (const value of ['a\0', 'a\nb', '\u001b[31m', '\u007f', '\u0085', '\ud800'])
    assert.match(
      refused({ run: value }),
      /^labels\.run: labels\.run contains a control character/,
      JSON.stringify(value),
    )
})

test('a filter is a key, or a key with a value, which may be empty and may have an equals sign', () => {
  assert.deepEqual(labelFilter('run'), { key: 'run' })
  assert.deepEqual(labelFilter('run='), { key: 'run', value: '' })
  assert.deepEqual(labelFilter('run=a=b'), { key: 'run', value: 'a=b' })
  for (const wrong of ['', '=x', 'a b=c']) assert.throws(() => labelFilter(wrong), InvalidRequest)
})
