import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import type { Jobs } from '@science-platform/client'
import type { JobRequest, Limits } from '@science-platform/contract'
import { eventually, Platform, testImage } from '../support/platform.ts'
import { waitsFor } from '../support/waits-for.ts'

let platform: Platform
let ada: Jobs
let bob: Jobs
let root: string

before(async () => {
  platform = await Platform.make(
    'capacity: {cores: 4, memoryGb: 8, gpus: 2, gpuKind: a100}\nqueue: {backfill: {reserveAfterSeconds: 0}}\n',
  )
  await platform.admin('user', 'add', 'bob')
  await platform.admin('user', 'add', 'chief', '--admin')
  root = await platform.admin('token', 'create', 'chief', '--scope', 'read,submit,manage,admin')
  const token = await platform.admin('token', 'create', 'bob')
  await platform.start()
  ada = platform.jobs()
  bob = platform.jobs(token)
})
afterEach(async () => {
  const { jobs } = await ada.list({ state: 'queued,starting,running,stopping', limit: 100 })
  for (const { id } of jobs) await ada.cancel(id)
  await ada.wait(jobs.map(({ id }) => id))
})
after(() => platform[Symbol.asyncDispose]())

async function submit(request: Partial<JobRequest>, jobs = ada): Promise<string> {
  const { ids } = await jobs.submit({ name: 'test', image: testImage, cmd: 'sleep', args: ['600'], ...request })
  return ids[0] ?? assert.fail()
}
const runs = (id: string) => platform.becomes(id, 'running')
const refused = (request: Partial<JobRequest>, message: RegExp, jobs = ada) =>
  assert.rejects(submit(request, jobs), (error: Error) => message.test(error.message) || assert.fail(error.message))

test('GPUs are counted by kind', async () => {
  const [first, second] = [await submit({ gpus: 1, gpuKind: 'a100' }), await submit({ gpus: 1 })]
  await runs(first)
  await runs(second)
  const third = await submit({ gpus: 1 })
  const told = await waitsFor(ada, third, 'reservation')
  assert.match(told.summary, /1 GPU are reserved for it on /)
  const without = await submit({ cmd: 'true', args: [] })
  assert.equal((await platform.ended(without)).state, 'succeeded', 'who asks for none does not wait')
  await refused({ gpus: 1, gpuKind: 'h200' }, /gpuKind is h200, but there are GPUs of a100 only/)
  await refused({ gpus: 3 }, /gpus is 3, but no node has more than 2 GPUs/)
  await ada.cancel(first)
  await runs(third)
})

test('a job without cores or memory is flexible: the request is small, and the limit generous', async () => {
  const sizes = async (request: Partial<JobRequest>) => {
    const id = await submit(request)
    const { resources } = await ada.get(id)
    const { isFixedResources } = (await (await platform.fetch(`/skaha/v1/session/${id}`)).json()) as {
      isFixedResources: boolean
    }
    assert.equal(resources.fixed, isFixedResources)
    await runs(id)
    return resources
  }
  const oneToAll = { request: 1, limit: 4 }
  assert.deepEqual(await sizes({}), { cores: oneToAll, memoryGb: { request: 1, limit: 8 }, gpus: 0, fixed: false })
  assert.deepEqual(await sizes({ cores: 1 }), {
    cores: { request: 1, limit: 1 },
    memoryGb: { request: 1, limit: 8 },
    gpus: 0,
    fixed: false,
  })
  assert.deepEqual(await sizes({ memoryGb: 2 }), {
    cores: oneToAll,
    memoryGb: { request: 2, limit: 2 },
    gpus: 0,
    fixed: true,
  })
  const { free } = await ada.queue()
  assert.deepEqual(free, { cores: 1, memoryGb: 4, gpus: 2 }, 'a core each, and what was asked of memory')
  await runs(await submit({}))
  await waitsFor(ada, await submit({}), 'reservation|resources')
})

const set = async (kind: 'user' | 'group', name: string, limits: Limits): Promise<void> => {
  const answer = await fetch(`${platform.url}/api/v1/limits/${kind}/${name}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${root}`, 'content-type': 'application/json' },
    body: JSON.stringify({ limits }),
  })
  assert.equal(answer.status, 200, await answer.text())
}
const asks = { cores: 1, memoryGb: 2, gpus: 1 }
const limitsOn = { cores: { cores: 1 }, memoryGb: { memoryGb: 3 }, gpus: { gpus: 1 }, running: { running: 1 } } as const

for (const [kind, name] of [
  ['user', 'ada'],
  ['group', 'survey'],
] as const)
  // prettier-ignore
  test(`a limit of a ${kind} on cores, memory, GPUs, running and waiting jobs stops its own and nobody else’s`, async () => {
    for (const [on, limits] of Object.entries(limitsOn)) {
      await set(kind, name, limits)
      const [first, second] = [await submit(asks), await submit(asks)]
      await runs(first)
      const { reason } = await waitsFor(ada, second, 'limit')
      assert.deepEqual([reason?.limit?.holder, reason?.limit?.name, reason?.limit?.on], [kind, name, on])
      const [his] = await bob.wait([await submit({ ...asks, cmd: 'true', args: [] }, bob)])
      assert.equal(his?.state, 'succeeded')
      if (on !== 'running') await refused({ cores: 4, memoryGb: 4, gpus: 2 }, /may hold at most/)
      await ada.cancel(first)
      await runs(second)
      await ada.cancel(second)
      await ada.wait([second])
    }
    await set(kind, name, { queued: 2 })
    await refused({ replicas: 3 }, /with 3 more they would exceed the limit of 2/)
    await set(kind, name, { running: 0 })
    await refused({}, /no job of .* may run/)
    await platform.admin('limit', 'clear', kind, name)
    await eventually('the limit to be gone', () => submit({ cmd: 'true', args: [] }).then(Boolean, () => false))
  })
