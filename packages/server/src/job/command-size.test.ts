import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '@science-platform/contract'
import { checkCommandSize } from './command-size.ts'

test('a command with its environment is as large as the kernel takes it, and no larger', () => {
  const most = limits.commandBytes / 9
  checkCommandSize({ cmd: ['true'] }, { A: 'b' })
  checkCommandSize({ args: Array.from({ length: Math.floor(most) }, () => '') }, {})
  assert.throws(() => checkCommandSize({ args: Array.from({ length: Math.ceil(most) }, () => '') }, {}), {
    field: 'args',
    message: /^cmd, args and env take \d+ bytes together, most of them args; the kernel takes \d+$/,
  })
  const env = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`K${i}`, 'x'.repeat(100_000)]))
  assert.throws(() => checkCommandSize({ cmd: ['true'] }, env), { field: 'env' })
})
