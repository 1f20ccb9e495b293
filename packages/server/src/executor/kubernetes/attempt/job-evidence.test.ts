import type { V1Job } from '@kubernetes/client-node'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requireReference } from '../../../job/image-reference.ts'
import type { AttemptSpec } from '../../executor.ts'
import { jobObject } from '../objects/job-object.ts'
import { recordAnnotation } from '../objects/names.ts'
import type { ClusterSettings } from '../settings.ts'
import { evidenceOfJob } from './job-evidence.ts'

const spec: AttemptSpec = {
  id: 'k3x9a0qz-1',
  jobId: 'k3x9a0qz',
  name: 'fit-orbits',
  account: { name: 'ada', uid: 20_000, gid: 20_000, groups: [] },
  image: requireReference('images.canfar.net/astro/fit:1'),
  cmd: ['fit', '$(HOME)', '$$'],
  args: ['--to=$X'],
  env: { DB_PASSWORD: 'hunter2' },
  labels: { 'canfar.net/record': 'x', run: 'night 42' },
  resources: { cores: { request: 2, limit: 4 }, memoryGb: { request: 1, limit: 2 }, gpus: 1, fixed: true },
  network: 'none',
  graceSeconds: 30,
  origin: { identity: 'an-identity', submittedAt: 5, timeSeconds: 60, group: 'survey', taskIndex: 1, taskCount: 1 },
}
const settings: ClusterSettings = {
  namespace: 'jobs',
  instance: 'platform',
  volumes: {},
  scratchGb: { request: 1, limit: 20 },
  imagePullPolicy: 'Always',
  imageSeconds: 600,
  dnsPolicy: 'ClusterFirst',
  nodeSelector: {},
  tolerations: [],
  overcommit: 4,
  gpuResource: 'nvidia.com/gpu',
  lossSeconds: 300,
  images: { registries: ['images.canfar.net'], aliases: { 'images.canfar.net': 'cache.example:5000' }, insecure: [] },
}
const made = (changes: Partial<AttemptSpec> = {}): V1Job & { metadata: object } => {
  const job = jobObject({ ...spec, ...changes }, settings, 'a1b2c3')
  const metadata = Object.assign(job.metadata ?? {}, { namespace: 'jobs', creationTimestamp: '2026-11-30T08:00:00Z' })
  return Object.assign(job, { metadata })
}

test('a Job says everything of its attempt but the variables, which may be secret', () => {
  const { account, image: _, env: __, imageDigest: ___, ...told } = spec
  assert.deepEqual(evidenceOfJob(made()), {
    ...told,
    owner: account.name,
    image: 'images.canfar.net/astro/fit:1',
    env: {},
    identity: 'an-identity',
    createdAt: Date.parse('2026-11-30T08:00:00Z'),
    where: 'Job jobs/platform-k3x9a0qz-1',
  })
  assert.doesNotMatch(JSON.stringify(made().metadata), /hunter2|DB_PASSWORD/)
})

test('a Job says the working directory, and the command without its entry', () => {
  const found = evidenceOfJob(made({ workingDirectory: '/arc/projects/$x' }))
  assert.deepEqual([found?.workingDirectory, found?.cmd, found?.args], ['/arc/projects/$x', spec.cmd, spec.args])
})

test('a Job of a release without the note is told from its own fields', () => {
  const { origin: _, ...before } = spec
  const job = jobObject(before, settings, 'a1b2c3')
  assert.equal(job.metadata?.annotations?.[recordAnnotation], undefined)
  const found = evidenceOfJob(job)
  assert.deepEqual(found?.resources, {
    cores: { request: 4, limit: 4 },
    memoryGb: { request: 1, limit: 2 },
    gpus: 1,
    fixed: true,
  })
  assert.deepEqual([found.owner, found.name, found.cmd, found.identity], ['ada', 'fit-orbits', spec.cmd, undefined])
})

test('a note that somebody changed is left out, and an object of another program is none', () => {
  const job = made()
  job.metadata.annotations = { [recordAnnotation]: '{"origin":' }
  assert.equal(evidenceOfJob(job)?.origin, undefined)
  assert.equal(evidenceOfJob(Object.assign(job, { metadata: { name: 'other', labels: {} } })), undefined)
})
