import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, duration, instant, memory, minute, parseDuration, percent } from './quantities.ts'

test('durations have their two largest units', () => {
  const spans: [number, string][] = [
    [0, '0 ms'],
    [0.012, '12 ms'],
    [0.4, '0.4 s'],
    [0.99, '1 s'],
    [59.6, '1 min'],
    [125, '2 min 5 s'],
    [7_200, '2 h'],
    [7_325, '2 h 2 min'],
    [270_000, '3 d 3 h'],
  ]
  for (const [seconds, text] of spans) assert.equal(duration(seconds), text)
})

test('bytes have three digits', () => {
  assert.deepEqual([0, 1023, 1024, 3_039_232, 17_179_869_184].map(bytes), [
    '0 B',
    '1023 B',
    '1.00 KiB',
    '2.90 MiB',
    '16.0 GiB',
  ])
})

test('memory of the skaha wire is shown in GiB', () => {
  assert.deepEqual(['17.18', '1.07', '0.11', '1.074G', '64G', '32Gi', '512Mi', '16G', '<none>', ''].map(memory), [
    '16 GiB',
    '1 GiB',
    '0.1 GiB',
    '1 GiB',
    '59.6 GiB',
    '32 GiB',
    '0.5 GiB',
    '14.9 GiB',
    '<none>',
    '',
  ])
})

test('a small share is not 0 %', () => {
  assert.deepEqual([percent(0, 10), percent(1, 1000), percent(1, 3)], ['0 %', '<1 %', '33 %'])
})

test('instants are in UTC', () => {
  assert.equal(instant('2026-11-23T08:37:45.120Z'), '2026-11-23 08:37:45 UTC')
  assert.equal(minute('2026-11-23T08:37:45.120Z'), '2026-11-23 08:37Z')
})

test('durations are parsed with their units', () => {
  assert.deepEqual(['90', '90s', '30m', '12h', '2d', '1.5h', 'soon', '', '-1', '1w'].map(parseDuration), [
    90,
    90,
    1_800,
    43_200,
    172_800,
    5_400,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})
