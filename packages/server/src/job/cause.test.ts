import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { causeCodes } from '@science-platform/contract'
import { judgeEnding } from './cause.ts'

const exited = (exitCode: number) =>
  ({ exitCode, cause: { code: 'exited', message: `It exited with ${exitCode}.` }, stopped: false }) as const

const running = { state: 'running', timeSeconds: 9 } as const
const stopping = (stopReason: 'cancelled' | 'time-limit') =>
  ({ state: 'stopping', stopReason, timeSeconds: 9 }) as const

test('an exit code decides, unless the platform stopped the job', () => {
  assert.deepEqual(judgeEnding(exited(3), running).event, { type: 'exited', exitCode: 3 })
  assert.equal(judgeEnding(exited(0), stopping('cancelled')).cause.code, 'cancelled')
  assert.deepEqual(judgeEnding(exited(0), stopping('time-limit')).event, { type: 'timedOut' })
  assert.match(judgeEnding(exited(0), stopping('time-limit')).cause.message, /9 seconds/)
})

test('a cancelled job keeps the cause that was recorded with the request to cancel', () => {
  const cause = { code: 'cancelled', message: 'It was cancelled by the administrator grace.' } as const
  assert.deepEqual(judgeEnding(exited(143), { ...stopping('cancelled'), cause }).cause, cause)
})

test('an end without a request is a failure with its own cause', () => {
  const oom = { exitCode: 137, cause: { code: 'out-of-memory', message: 'm' }, stopped: false } as const
  assert.deepEqual(judgeEnding(oom, running), { event: { type: 'failed' }, cause: oom.cause })
  const lost = { cause: { code: 'lost', message: 'm' }, stopped: false } as const
  assert.deepEqual(judgeEnding(lost, running).event, { type: 'lost' })
})

const memoryKills = { count: 1, firstAt: 1000, lastAt: 1000, limitGb: 1 }

test('a time limit after a kill for memory names both', () => {
  const { cause, event } = judgeEnding({ ...exited(143), memoryKills }, stopping('time-limit'))
  assert.equal(event.type, 'timedOut')
  assert.match(cause.message, /time limit of 9 seconds\. At 1970-01-01 00:00:01 UTC the kernel killed one .* 1 GiB\.$/)
  assert.match(cause.hint ?? '', /more memory first/)
})

test('a job that copes with a kill for memory keeps its own code, and has a remark', () => {
  for (const exitCode of [0, 3]) {
    const { cause, event } = judgeEnding({ ...exited(exitCode), memoryKills }, running)
    assert.deepEqual(event, { type: 'exited', exitCode })
    assert.match(cause.remarks?.[0] ?? '', /the kernel killed one of its processes/)
  }
  const oom = { exitCode: 137, cause: { code: 'out-of-memory', message: 'm' }, stopped: false, memoryKills } as const
  assert.equal(judgeEnding(oom, running).cause.remarks, undefined, 'the cause says it already')
})

test('remarks of the executor stay, whatever ends the job', () => {
  const left = { ...exited(0), cause: { ...exited(0).cause, remarks: ['1 process was left.'] } }
  for (const job of [running, stopping('cancelled'), stopping('time-limit')])
    assert.deepEqual(judgeEnding(left, job).cause.remarks, ['1 process was left.'])
})

test('a command that ends as the warning signal ends one is told whose signal it was', () => {
  const job = { ...running, signal: { name: 'USR1', secondsBefore: 30 }, deadlineAt: 100_000 } as const
  const remarks = (exitCode: number, at: number) => judgeEnding({ ...exited(exitCode), at }, job).cause.remarks
  assert.match(remarks(138, 70_000)?.[0] ?? '', /^SIGUSR1 is the warning that the platform sent 30 seconds before/)
  assert.equal(remarks(138, 69_999), undefined, 'it was not sent yet')
  assert.equal(remarks(1, 80_000), undefined)
})

test('docs/causes.md has a row for every cause, and no other', async () => {
  const page = await readFile(new URL('../../../../docs/causes.md', import.meta.url), 'utf8')
  assert.deepEqual(
    [...page.matchAll(/^\| `([a-z-]+)`/gm)].map(([, code]) => code).toSorted(),
    [...causeCodes].toSorted(),
  )
})
