import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QueueOverview, Why } from '@science-platform/contract'
import { queueText } from './queue-text.ts'
import { whyText } from './why-text.ts'

const now = Date.parse('2026-11-24T00:05:00Z')
const score = { told: 10, inside: 8, early: 1, late: 1 }
const why: Why = {
  id: 'k3x9a0qz',
  state: 'queued',
  summary:
    'It waits for 8 cores and 64 GiB of memory: of the 3 nodes that could hold it none has more than 4 cores free.',
  ahead: { jobs: 1, cores: 4, memoryGb: 16, gpus: 1 },
  waiting: 12,
  priority: {
    class: 'normal',
    total: 20.25,
    terms: [{ name: 'groupShare', points: 6.5, meaning: 'of 12: the less the group survey has used lately, the more' }],
  },
  expectedStart: { p10: '2026-11-24T00:05:00Z', p50: '2026-11-24T01:05:00Z', p90: '2026-11-24T04:05:00Z' },
  expectedRun: { seconds: { p10: 60, p50: 120, p90: 300 }, runs: 20, memoryPeakBytes: 3.1 * 2 ** 30 },
  deadline: { by: '2026-11-24T06:00:00Z', outlook: 'likely' },
  sooner: [
    {
      change: { memoryGb: 8 },
      startsNow: true,
      message: 'With 8 GiB of memory it would start now; its last 20 runs peaked at 3.1 GiB.',
    },
  ],
  scores: { start: score, run: score },
}

test('why fits 80 columns, and shows jobs ahead, expected start and changes', () => {
  const text = whyText(why, now, 80)
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line)
  for (const part of [
    /^Ahead +1 job of 12 that wait, requesting 4 cores, 16 GiB and 1 GPU$/m,
    /^Expected start +in 1 h \(2026-11-24 01:05:00 UTC\); in 8 of 10 cases between now$/m,
    /^ +and 4 h from now$/m,
    /^Wanted by +2026-11-24 06:00:00 UTC: likely to end in time$/m,
    /^Expected run +2 min, between 1 min and 5 min in 8 of 10 cases, from its last$/m,
    /^ {2}group +6\.5 \(of 12: the less the group survey has used lately, the more\)$/m,
    /^Estimates +10 starts in 30 days: 8 as estimated, 1 earlier, 1 later$/m,
    /^Changes that would start the job sooner, if you cancel and submit it again:\n- With 8 GiB of memory it would start now; its last 20 runs peaked at 3\.1 GiB\.$/m,
  ])
    assert.match(text, part)
})

test('a start beyond a year has no date', () => {
  const far = '2031-11-24T00:05:00Z'
  const text = whyText({ ...why, expectedStart: { p10: far, p50: far, p90: far } }, now, 80)
  assert.match(text, /^Expected start +not within a year, with the present queue$/m)
})

test('why of a job that does not wait is short', () => {
  const { id, scores } = why
  const text = whyText({ id, state: 'running', summary: 'It does not wait: it runs.', sooner: [], scores }, now, 80)
  assert.equal(text, 'Job    k3x9a0qz\nState  running\nWhy    It does not wait: it runs.')
})

test('the queue fits 80 columns, and shows allocations and limits', () => {
  const holds = { cores: 4, memoryGb: 16, gpus: 0, running: 2, queued: 12 }
  const queue: QueueOverview = {
    nodes: 3,
    capacity: { cores: 48, memoryGb: 192, gpus: 2 },
    free: { cores: 8.5, memoryGb: 20, gpus: 1 },
    largestFree: [
      { cores: 6, memoryGb: 4.52, gpus: 0 },
      { cores: 1, memoryGb: 15, gpus: 1 },
    ],
    running: 7,
    waiting: { small: 10, normal: 2, large: 1 },
    offPeak: { isNow: false, changesAt: '2026-11-25T02:00:00Z', timezone: 'Asia/Tokyo' },
    holders: [
      { kind: 'user', name: 'ada', holds, limits: { cores: 64, queued: 100_000 }, coreHours: 12.34 },
      { kind: 'group', name: 'survey', holds, limits: {}, coreHours: 100 },
    ],
    scores: { start: score, run: { told: 0, inside: 0, early: 0, late: 0 } },
  }
  const text = queueText(queue, 80)
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line)
  for (const part of [
    /^Free +8\.5 of 48 cores, 20 of 192 GiB, 1 of 2 GPUs$/m,
    /^On one node +6 cores and 4\.5 GiB; or 1 core, 15 GiB and 1 GPU$/m,
    /^Waiting +13 jobs: 10 small, 2 normal, 1 large$/m,
    /^Off-peak +from 2026-11-25 02:00:00 UTC \(11:00 in Asia\/Tokyo\) on$/m,
    /^ +no estimated run time in 30 days$/m,
    /^user ada +4\/64 +16 +0 +2 +12\/100000 +12\.3$/m,
  ])
    assert.match(text, part)
})
