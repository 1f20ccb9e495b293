import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '@science-platform/contract'
import { checkCommandSize } from './command-size.ts'

test('a command with its environment has at most the bytes that the kernel accepts', () => {
  const most = limits.commandBytes / 9
  checkCommandSize({ cmd: ['true'] }, { A: 'b' })
  checkCommandSize({ args: Array.from({ length: Math.floor(most) }, () => '') }, {})
  assert.throws(() => checkCommandSize({ args: Array.from({ length: Math.ceil(most) }, () => '') }, {}), {
    field: 'args',
    message: /^cmd, args and env take \d+ bytes together, most of them args; the limit is \d+$/,
  })
  const env = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`K${i}`, 'x'.repeat(100_000)]))
  assert.throws(() => checkCommandSize({ cmd: ['true'] }, env), { field: 'env' })
})
