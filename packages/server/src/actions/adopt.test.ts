import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { AttemptEvidence } from '../executor/attempt-evidence.ts'
import { someJob } from '../store/testing/some-job.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import type { Store } from '../store/store.ts'
import { adopt, unrecordedAmong } from './adopt.ts'

let folder: string
let store: Store
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sp-adopt-'))
  store = await openSqliteStore(join(folder, 'db'))
  const ada = { name: 'ada', uid: 1001, gid: 1001, admin: false, groups: [] }
  await store.changeDirectory(() => [{ type: 'user', user: ada }])
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

const evidence = (parts: Partial<AttemptEvidence> = {}): AttemptEvidence => ({
  id: 'k3x9a0qz-2',
  jobId: 'k3x9a0qz',
  name: 'fit',
  owner: 'ada',
  image: 'images.example.org/astro/fit:1',
  cmd: ['fit'],
  labels: { run: '7' },
  env: { MINE: '1', HOME: '/arc/home/ada', CANFAR_TOKEN: 'sp_secret' },
  resources: { cores: { request: 2, limit: 4 }, memoryGb: { request: 1, limit: 2 }, gpus: 0, fixed: true },
  graceSeconds: 9,
  node: 'node-7',
  createdAt: 50,
  where: 'Job jobs/platform-k3x9a0qz-2',
  ...parts,
})
const origin = {
  identity: 'i',
  submittedAt: 40,
  timeSeconds: 77,
  group: 'survey',
  taskIndex: 3,
  taskCount: 5,
  arrayId: 'arr00000',
}
const obstacles = async (...found: AttemptEvidence[]) =>
  (await unrecordedAmong(store, found)).map(({ obstacle }) => obstacle)

test('a record is made as the attempt has it, placed where it runs, and once', async () => {
  const found = evidence({ origin })
  assert.deepEqual(await obstacles(found), [undefined])
  await adopt(store, found, 99)
  await adopt(store, found, 99)
  const job = await store.job('k3x9a0qz', 'ada')
  assert.partialDeepStrictEqual(job, {
    state: 'starting',
    attempt: 2,
    timeSeconds: 77,
    graceSeconds: 9,
    group: 'survey',
    submittedAt: 40,
    taskIndex: 3,
    arrayId: 'arr00000',
    cmd: ['fit'],
    labels: { run: '7' },
  })
  assert.deepEqual(job?.env, { MINE: '1' }, 'the platform sets its own variables anew, and a token is never stored')
  assert.deepEqual(await store.attempts(['k3x9a0qz']), [
    { id: 'k3x9a0qz-2', jobId: 'k3x9a0qz', number: 2, node: 'node-7', placedAt: 50 },
  ])
  assert.deepEqual(await obstacles(found), [], 'it has a record now')
  assert.deepEqual(
    (await store.events('k3x9a0qz')).map(({ reason }) => reason),
    ['Adopted'],
  )
})

test('an attempt of an earlier release, which noted no time limit, gets the default', async () => {
  await adopt(store, evidence(), 99)
  const job = await store.job('k3x9a0qz')
  assert.deepEqual([job?.timeSeconds, job?.submittedAt, job?.group], [1_209_600, 50, undefined])
})

test('a job that waited at the backup gets the attempt that runs', async () => {
  const job = someJob({ owner: 'ada', attempt: 0 })
  await store.submit({ jobs: [job], events: [] })
  const found = evidence({ id: `${job.id}-1`, jobId: job.id })
  assert.deepEqual(await obstacles(found), [undefined])
  await adopt(store, found, 99)
  assert.partialDeepStrictEqual(await store.job(job.id), { state: 'starting', attempt: 1, name: job.name })
})

test('what cannot be adopted stays, and the operator reads why', async () => {
  const others = someJob({ owner: 'ada', attempt: 0 })
  await store.submit({ jobs: [others], events: [] })
  const [unknown, nameless, stolen, later] = await obstacles(
    evidence({ owner: 'eve' }),
    evidence({ id: 'nothing' }),
    evidence({ id: `${others.id}-1`, jobId: others.id, owner: 'bob' }),
    evidence({ id: `${others.id}-3`, jobId: others.id }),
  )
  assert.match(unknown ?? '', /no user eve here; .*science-platform user add eve --uid UID/)
  assert.match(nameless ?? '', /no id of an attempt/)
  assert.match(stolen ?? '', /belongs to ada here, not to bob/)
  assert.match(later ?? '', /is queued here, with attempt 0 as its latest/)
})
