import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseHint } from './hints.ts'

it('a hint names an attempt, and what its journal says now', () => {
  const end = '{"at":2,"stopped":false,"killed":false,"lost":false,"status":0,"lostBytes":0,"files":{}}'
  assert.deepEqual(parseHint('a-1'), { attemptId: 'a-1' })
  assert.deepEqual(parseHint('a-1 started 1234'), { attemptId: 'a-1', startedAt: 1234 })
  assert.deepEqual(parseHint('a-1 memory-kills 5 9 2'), {
    attemptId: 'a-1',
    memoryKills: { firstAt: 5, lastAt: 9, count: 2 },
  })
  assert.deepEqual(parseHint(`a-1 ended ${end}`), { attemptId: 'a-1', end: JSON.parse(end) as unknown })
})

it('a hint that is incomplete, or of another version, says to read the journal', () => {
  for (const rest of ['started', 'started x', 'ended', 'ended {"at":', 'ended {}', 'slept 3', 'memory-kills 5 9'])
    assert.deepEqual(parseHint(`a-1 ${rest}`), { attemptId: 'a-1' }, rest)
})
