import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jobStates } from '@science-platform/contract/states'
import { exitStatus, fullStatus, stateLetter, statusTable, type JobStatus } from './job-status.ts'

const now = Date.parse('2026-11-30T10:00:00Z')
const job: JobStatus = {
  id: 'k3x9a0qz',
  name: 'nf-square-1',
  owner: 'ada',
  state: 'running',
  labels: { pbs: 'nf square_(1)' },
  resources: { cores: { request: 2, limit: 2 }, memoryGb: { request: 4, limit: 4 }, gpus: 1, fixed: true },
  timeSeconds: 3_600,
  submittedAt: '2026-11-30T08:00:00.000Z',
  startedAt: '2026-11-30T08:58:55.500Z',
}

test('qstat -f of a running job', () => {
  assert.equal(
    fullStatus(job, now),
    [
      'Job Id: k3x9a0qz',
      '    Job_Name = nf square_(1)',
      '    Job_Owner = ada',
      '    resources_used.walltime = 01:01:04',
      '    job_state = R',
      '    queue = batch',
      '    ctime = Mon Nov 30 08:00:00 2026',
      '    start_time = Mon Nov 30 08:58:55 2026',
      '    Resource_List.ncpus = 2',
      '    Resource_List.mem = 4gb',
      '    Resource_List.ngpus = 1',
      '    Resource_List.walltime = 01:00:00',
      '',
    ].join('\n'),
  )
})

test('the table of qstat has the state in the fifth word of a line, as Toil reads it', () => {
  const [, , running = '', waiting = ''] = statusTable(
    [job, { ...job, state: 'queued', startedAt: undefined } as never],
    now,
  ).split('\n')
  assert.deepEqual(running.split(/ +/), ['k3x9a0qz', 'nf_square_(1)', 'ada', '01:01:04', 'R', 'batch'])
  assert.deepEqual(waiting.split(/ +/).slice(3, 5), ['0', 'Q'])
  assert.equal(statusTable([], now), '')
})

test('states', () => {
  assert.deepEqual(jobStates.map(stateLetter).join(''), 'HQQRRCCC')
})

test('the exit status is 0 for success alone', () => {
  const cause = (code: string): NonNullable<JobStatus['cause']> => ({ code: code as 'lost', message: 'x' })
  assert.equal(exitStatus({ state: 'running' }), undefined)
  assert.equal(exitStatus({ state: 'succeeded', exitCode: 0 }), 0)
  assert.equal(exitStatus({ state: 'failed', exitCode: 3, cause: cause('exited') }), 3)
  assert.equal(exitStatus({ state: 'failed', cause: cause('image-not-found') }), -1)
  // A script that ended with 0 on SIGTERM.
  assert.equal(exitStatus({ state: 'failed', exitCode: 0, cause: cause('time-limit') }), -11)
  assert.equal(exitStatus({ state: 'failed', exitCode: 137, cause: cause('out-of-memory') }), -10)
  assert.equal(exitStatus({ state: 'cancelled', exitCode: 0, cause: cause('cancelled') }), 271)
})
