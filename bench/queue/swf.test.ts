import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compare } from './compare.ts'
import { generate } from './generate.ts'
import { readSwf, writeSwf } from './swf.ts'

const workload = { seed: 7, days: 1, nodes: 2, users: 5, load: 0.7 }

test('a generated workload is the same for the same seed, and survives a round trip through the Standard Workload Format', () => {
  const trace = generate(workload)
  assert.deepEqual(generate(workload), trace)
  assert.notDeepEqual(generate({ ...workload, seed: 8 }).jobs, trace.jobs)
  const back = readSwf(writeSwf(trace), trace.name)
  assert.deepEqual(back.nodes, trace.nodes)
  assert.equal(back.jobs.length, trace.jobs.length)
  back.jobs.forEach((job, i) => {
    const { application: _, ...rest } = trace.jobs[i] ?? job
    assert.deepEqual({ ...job, application: undefined }, { ...rest, application: undefined })
  })
})

const line = (fields: Record<number, number>): string =>
  Array.from({ length: 18 }, (_, i) => fields[i + 1] ?? -1).join(' ')

test('an archived log is parsed: requested before used amounts, no jobs that never ran, wide jobs on one machine', () => {
  const text = [
    '; MaxNodes: 4',
    '; MaxProcs: 32',
    line({ 1: 2, 2: 60, 4: 30, 5: 4, 8: 16, 9: 600, 10: 2_097_152, 11: 1, 12: 3, 13: 1, 14: 9 }),
    line({ 1: 1, 2: 0, 4: 100, 5: 4, 9: 50, 12: 3, 13: 1 }),
    line({ 1: 3, 2: 70, 4: -1, 5: -1, 11: 5 }),
    '',
  ].join('\n')
  const { nodes, jobs } = readSwf(text, 'log')
  assert.deepEqual(
    nodes.map(({ cores }) => cores),
    [32],
  )
  assert.deepEqual(jobs, [
    { number: 1, submitSeconds: 0, runSeconds: 100, cores: 4, memoryGb: 0, requestedSeconds: 100, user: 'user3', group: 'group1', application: '3.-1' },
    { number: 2, submitSeconds: 60, runSeconds: 30, cores: 16, memoryGb: 32, requestedSeconds: 600, user: 'user3', group: 'group1', application: '3.9' },
  ]) // prettier-ignore
})

test('an invalid line is refused with its number', () => {
  assert.throws(() => readSwf('; Version: 2\n1 2 3', 'log'), /line 2 of log .* 18 numbers/)
  assert.throws(() => readSwf(line({ 1: 1 }).replace('-1', 'x'), 'log'), /line 1 of log/)
  assert.throws(() => readSwf('; nothing', 'log'), /log has no job that ran/)
})

test('all three queues run every job of a trace, and the platform’s queue treats small jobs best', () => {
  const [first, easy, ours] = compare(generate({ ...workload, days: 3, load: 0.9 }))
  assert.ok(first && easy && ours)
  assert.ok(easy.meanWaitHours <= first.meanWaitHours)
  assert.ok((ours.slowdown.small ?? Infinity) <= (easy.slowdown.small ?? 0))
})
