import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { causeCodes } from '@science-platform/contract'
import { judgeEnding } from './cause.ts'

const exited = (exitCode: number) =>
  ({ exitCode, cause: { code: 'exited', message: `It exited with ${exitCode}.` }, stopped: false }) as const

test('an exit code stands for itself, whatever was asked for counts before it', () => {
  assert.deepEqual(judgeEnding(exited(3), undefined, 9).event, { type: 'exited', exitCode: 3 })
  assert.equal(judgeEnding(exited(0), 'cancelled', 9).cause.code, 'cancelled')
  assert.deepEqual(judgeEnding(exited(0), 'time-limit', 9).event, { type: 'timedOut' })
  assert.match(judgeEnding(exited(0), 'time-limit', 9).cause.message, /9 seconds/)
})

test('what nobody asked for is a failure with its own cause', () => {
  const oom = { exitCode: 137, cause: { code: 'out-of-memory', message: 'm' }, stopped: false } as const
  assert.deepEqual(judgeEnding(oom, undefined, 9), { event: { type: 'failed' }, cause: oom.cause })
  const lost = { cause: { code: 'lost', message: 'm' }, stopped: false } as const
  assert.deepEqual(judgeEnding(lost, undefined, 9).event, { type: 'lost' })
})

test('docs/causes.md tells of every cause, and of no other', async () => {
  const page = await readFile(new URL('../../../../docs/causes.md', import.meta.url), 'utf8')
  assert.deepEqual(
    [...page.matchAll(/^\| `([a-z-]+)`/gm)].map(([, code]) => code).toSorted(),
    [...causeCodes].toSorted(),
  )
})
