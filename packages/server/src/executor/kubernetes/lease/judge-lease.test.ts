import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeLease, type LeaseRecord } from './judge-lease.ts'

const me = { identity: 'mine', host: 'here' }
const none = { recorded: 0, others: 0 }
const lease = (changes: Partial<LeaseRecord> = {}): LeaseRecord => ({
  identity: 'mine',
  process: 'p1',
  host: 'here',
  since: '2026-11-01T08:00:00.000000Z',
  renewed: '2026-11-30T08:00:00.000000Z',
  ...changes,
})

test('without a Lease the Jobs decide: a release that left none may run them', () => {
  const judge = (recorded: number, others: number) => judgeLease(undefined, me, { recorded, others }).type
  assert.equal(judge(0, 0), 'take')
  assert.equal(judge(2, 0), 'take')
  assert.equal(judge(2, 3), 'take', 'a database that knows some of them is theirs')
  assert.equal(judge(0, 3), 'refuse')
})

test('another database refuses, and the text says whose the Jobs are, since when, and whether its server runs', () => {
  const judge = (changes: Partial<LeaseRecord>) => judgeLease(lease({ identity: 'theirs', ...changes }), me, none)
  const refused = judge({ host: 'there' })
  assert.ok(refused.type === 'refuse')
  assert.match(refused.whose, /the database theirs since 2026-11-01.*on there renewed the Lease last at 2026-11-30/)
  const stopped = judge({ process: '' })
  assert.ok(stopped.type === 'refuse')
  assert.match(stopped.whose, /has stopped/)
})

test('the same database takes its own back at once, unless another host may still serve it', () => {
  assert.equal(judgeLease(lease(), me, none).type, 'take')
  assert.equal(judgeLease(lease({ host: 'there', process: '' }), me, none).type, 'take')
  assert.equal(judgeLease(lease({ host: 'there' }), me, none).type, 'wait')
})
