import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Heartbeat } from './heartbeat.ts'

test('a heartbeat passes its check until the pause is too long', () => {
  let now = 0
  const heart = new Heartbeat(() => now)
  now = 30_000
  heart.check()
  now = 30_001
  assert.throws(() => heart.check(), /no activity for 30 s/)
  heart.beat()
  heart.check()
})
