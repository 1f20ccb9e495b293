import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionRecord } from '@science-platform/contract'
import { endingExitCode, endingLines, endingOfSession, endingsExitCode, type Ending } from './ending.ts'

const ended = (state: Ending['state'], exitCode?: number): Ending => ({
  id: 'k3x9a0qz',
  name: 'n',
  state,
  ...(exitCode === undefined ? {} : { exitCode }),
})

test('the exit code is that of the job, 143 when cancelled, 70 without one', () => {
  assert.equal(endingExitCode(ended('succeeded', 0)), 0)
  assert.equal(endingExitCode(ended('failed', 137)), 137)
  assert.equal(endingExitCode(ended('failed')), 70)
  assert.equal(endingExitCode(ended('cancelled')), 143)
  assert.equal(endingExitCode(ended('cancelled', 0)), 143)
})

test('of several jobs, the first exit code that is not 0 decides', () => {
  assert.equal(endingsExitCode([ended('succeeded', 0), ended('failed', 3), ended('failed', 4)]), 3)
  assert.equal(endingsExitCode([]), 0)
})

test('the line of an end has its cause, and a hint follows', () => {
  const cause = { code: 'out-of-memory', message: 'It needed more than 4 GiB.', hint: 'Ask for 6 GiB.' }
  assert.deepEqual(endingLines({ ...ended('failed', 137), seconds: 125, cause }), [
    'k3x9a0qz (n) failed after 2 min 5 s, exit code 137: It needed more than 4 GiB.',
    'fix: Ask for 6 GiB.',
    'see: docs/troubleshooting.md#out-of-memory',
  ])
  assert.deepEqual(endingLines(ended('cancelled', 143)), ['k3x9a0qz (n) cancelled'])
  const remarks = ['1 process (sleep) was still running.']
  assert.deepEqual(endingLines({ ...ended('succeeded', 0), cause: { code: 'exited', message: 'm', remarks } }), [
    'k3x9a0qz (n) succeeded, exit code 0',
    'note: 1 process (sleep) was still running.',
  ])
})

test('the statuses of every version of the skaha wire are known', () => {
  const state = (status: string): string | undefined =>
    endingOfSession({ id: 'x', name: 'n', status } as SessionRecord)?.state
  assert.deepEqual(
    ['Completed', 'Succeeded', 'Failed', 'Error', 'Terminated', 'Running', 'Pending', 'Terminating'].map(state),
    ['succeeded', 'succeeded', 'failed', 'failed', 'cancelled', undefined, undefined, undefined],
  )
})
