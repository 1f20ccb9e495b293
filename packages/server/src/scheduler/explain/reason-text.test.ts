import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reason } from '../cache/snapshot.ts'
import { duration, reasonText } from './reason-text.ts'

const asks = { cores: 8, memoryGb: 64, gpus: 0 }
const say = (reason: Reason): string => reasonText(reason, (at) => `at ${at}`)

test('the text of each reason has its numbers', () => {
  assert.equal(say({ kind: 'not-before', at: 5 }), 'It was submitted with a start time: it does not start before at 5.')
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
  assert.match(say({ kind: 'reservation', asks, at: 9, node: 'n1' }), /reserved for it on n1.*by at 9/)
  assert.match(
    say({ kind: 'backfill', reservedAt: 9, plannedSeconds: 7200 }),
    /but from at 9 on a job ahead of it has a reservation.*estimated to run for 2 hours/,
  )
  assert.match(say({ kind: 'no-node', asks, largest: undefined }), /none is there now/)
  assert.match(
    say({ kind: 'no-node', asks: { ...asks, gpus: 1, gpuKind: 'a100' }, largest: { cores: 4, memoryGb: 8, gpus: 0 } }),
    /8 cores, 64 GiB of memory and 1 GPU \(a100\); the largest has 4 cores, 8 GiB of memory and 0 GPUs/,
  )
})

test('the text of a limit names its quota holder, the allocation, and when the limit is larger', () => {
  const limit = { kind: 'limit', holder: 'user', name: 'ada', on: 'cores', limit: 64, allocated: 60, asks: 8 } as const
  assert.equal(say(limit), "It waits for its owner's limit: 60 of 64 cores are allocated, and it asks for 8.")
  assert.equal(
    say({ ...limit, allocated: 0, reserved: 60 }),
    "It waits for its owner's limit: 0 of 64 cores are allocated, 60 are reserved for jobs ahead, and it asks for 8.",
  )
  assert.match(say({ ...limit, larger: { limit: 128, at: 3 } }), /In off-peak hours, from at 3, the limit is 128 cores/)
  assert.equal(
    say({ ...limit, holder: 'group', name: 'sky', on: 'running', limit: 1, allocated: 1, asks: 1 }),
    'It waits for the limit of its group, sky: 1 job runs, and 1 may at once.',
  )
})

test('the beginning of off-peak hours is also written by their own clock', () => {
  const at = Date.parse('2026-11-25T02:00Z')
  const write = (instant: number): string => new Date(instant).toISOString()
  assert.match(
    reasonText({ kind: 'window', opensAt: at }, write, 'Asia/Tokyo'),
    /begin 2026-11-25T02:00:00.000Z \(11:00 in Asia\/Tokyo\)\.$/,
  )
})

test('durations are written in the unit that fits', () => {
  assert.deepEqual([1, 60, 90, 5400, 200_000].map(duration), [
    '1 second',
    '60 seconds',
    '2 minutes',
    '1.5 hours',
    '2.3 days',
  ])
})
