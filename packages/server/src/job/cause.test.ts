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

test('docs/causes.md has a row for every cause, and no other', async () => {
  const page = await readFile(new URL('../../../../docs/causes.md', import.meta.url), 'utf8')
  assert.deepEqual(
    [...page.matchAll(/^\| `([a-z-]+)`/gm)].map(([, code]) => code).toSorted(),
    [...causeCodes].toSorted(),
  )
})
