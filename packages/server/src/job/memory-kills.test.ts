import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMemoryKillEventDue, memoryKillText } from './memory-kills.ts'

const at = Date.UTC(2026, 10, 30, 12, 0, 3, 250)

test('a kill is told with its time where that is known, and with the limit', () => {
  assert.equal(
    memoryKillText({ count: 1, firstAt: at, lastAt: at, limitGb: 1 }),
    'At 2026-11-30 12:00:03 UTC the kernel killed one of its processes because the job had reached its memory limit of 1 GiB.',
  )
  assert.match(
    memoryKillText({ count: 3, firstAt: at, lastAt: at + 60_000, limitGb: 0.5 }),
    /^Between 2026-11-30 12:00:03 UTC and 2026-11-30 12:01:03 UTC the kernel killed 3 of its processes .* 0\.5 GiB\.$/,
  )
  assert.match(memoryKillText({ count: 1, limitGb: 2 }), /^The kernel killed one of its processes because/)
})

test('the first kill is an event, and each doubling', () => {
  const due = [1, 2, 3, 4, 5, 8, 9].filter((count) => isMemoryKillEventDue(count - 1, count))
  assert.deepEqual(due, [1, 2, 4, 8])
  assert.equal(isMemoryKillEventDue(0, 5), true, 'several at once')
  assert.equal(isMemoryKillEventDue(4, 4), false)
  assert.equal(isMemoryKillEventDue(0, 0), false)
})
