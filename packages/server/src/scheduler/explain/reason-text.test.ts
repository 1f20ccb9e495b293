import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reason } from '../cache/snapshot.ts'
import { duration, words } from './reason-text.ts'

const asks = { cores: 8, memoryGb: 64, gpus: 0 }
const say = (reason: Reason): string => words(reason, (at) => `at ${at}`)

test('each reason says what is waited for, with its numbers', () => {
  assert.equal(say({ kind: 'not-before', at: 5 }), 'It was asked not to start before at 5.')
  assert.match(say({ kind: 'window', opensAt: 7 }), /off-peak hours, which begin at 7/)
  assert.match(say({ kind: 'window', opensAt: undefined }), /has none. Submit it again without/)
  assert.match(
    say({ kind: 'resources', asks, ableNodes: 3, mostFree: { cores: 4, memoryGb: 12.25, gpus: 0 } }),
    /8 cores and 64 GiB of memory: of the 3 nodes that could hold it none has more than 4 cores and 12.3 GiB of memory free/,
  )
  assert.match(
    say({ kind: 'resources', asks, ableNodes: 1, mostFree: { cores: 1, memoryGb: 2, gpus: 0 } }),
    /the one node that could hold it has 1 core and 2 GiB of memory free\.$/,
  )
  assert.match(say({ kind: 'reservation', asks, at: 9, node: 'n1' }), /kept for it on n1.*by at 9/)
  assert.match(
    say({ kind: 'backfill', reservedAt: 9, plannedSeconds: 7200 }),
    /but from at 9 on that is kept.*reckoned to take 2 hours/,
  )
  assert.match(say({ kind: 'no-node', asks, largest: undefined }), /none is there now/)
  assert.match(
    say({ kind: 'no-node', asks: { ...asks, gpus: 1, gpuKind: 'a100' }, largest: { cores: 4, memoryGb: 8, gpus: 0 } }),
    /8 cores, 64 GiB of memory and 1 GPU \(a100\); the largest has 4 cores, 8 GiB of memory and 0 GPUs/,
  )
})

test('a limit says whose it is, what is held, and when it is larger', () => {
  const limit = { kind: 'limit', holder: 'user', name: 'ada', on: 'cores', limit: 64, held: 60, asks: 8 } as const
  assert.equal(say(limit), "It waits for its owner's limit: 60 of 64 cores are held, and it asks for 8.")
  assert.equal(
    say({ ...limit, held: 0, kept: 60 }),
    "It waits for its owner's limit: 0 of 64 cores are held, 60 are kept for what is ahead, and it asks for 8.",
  )
  assert.match(say({ ...limit, larger: { limit: 128, at: 3 } }), /Off-peak, from at 3, 128 cores may be held/)
  assert.equal(
    say({ ...limit, holder: 'group', name: 'sky', on: 'running', limit: 1, held: 1, asks: 1 }),
    'It waits for the limit of its group, sky: 1 job runs, and 1 may at once.',
  )
})

test('when off-peak hours begin is told by their own clock too', () => {
  const at = Date.parse('2026-11-25T02:00Z')
  const write = (instant: number): string => new Date(instant).toISOString()
  assert.match(
    words({ kind: 'window', opensAt: at }, write, 'Asia/Tokyo'),
    /begin 2026-11-25T02:00:00.000Z \(11:00 in Asia\/Tokyo\)\.$/,
  )
})

test('durations are said in the unit that fits', () => {
  assert.deepEqual([1, 60, 90, 5400, 200_000].map(duration), [
    '1 second',
    '60 seconds',
    '2 minutes',
    '1.5 hours',
    '2.3 days',
  ])
})
