import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { queryObjects } from 'node:v8'
import type { Executor, Observed } from '../executor.ts'
import { Attempt } from './attempt/attempt.ts'
import { createKubernetesExecutor } from './kubernetes.ts'
import { attemptLabel, containerName, finalizer } from './objects/names.ts'
import { SimulatedApiServer } from './testing/simulated-api-server.ts'
import { optionsOn, smallSpec } from './testing/simulated-cluster-options.ts'

const jobs = '/apis/batch/v1/namespaces/jobs/jobs'
const pods = '/api/v1/namespaces/jobs/pods'
const idsOf = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}-1`)
const many = 40

describe('many attempts side by side', () => {
  let folder: string
  let server: SimulatedApiServer
  let executor: Executor
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kubernetes-concurrency-'))
    server = await SimulatedApiServer.open()
    executor = createKubernetesExecutor(optionsOn(server, folder))
    await executor.open()
  })
  afterEach(async () => {
    await executor.close()
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + 60_000; !(await holds());) {
      assert.ok(Date.now() < deadline, `waited 60 s in vain for ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const nameOf = (id: string): string => `test-${id}`
  const jobOf = (id: string) => server.list(jobs).find(({ metadata }) => metadata.name === nameOf(id))
  const isCreated = (id: string): boolean => jobOf(id) !== undefined
  const isDeleting = (id: string): boolean => jobOf(id)?.metadata.deletionTimestamp !== undefined
  const show = async (ids: readonly string[], phase: Observed['phase']): Promise<boolean> => {
    const shown = new Map((await executor.list()).map((attempt) => [attempt.attemptId, attempt.phase]))
    return ids.every((id) => shown.get(id) === phase)
  }
  const startAll = (ids: readonly string[]) => Promise.all(ids.map((id) => executor.start(smallSpec(id))))
  const stopAll = (ids: readonly string[]) => Promise.all(ids.map((id) => executor.stop(id, 1)))
  const forgetAll = (ids: readonly string[]) => Promise.all(ids.map((id) => executor.forget(id)))

  /** Acts as the cluster does: the pod of an attempt in a state. */
  function putPod(id: string, container: object): void {
    const labels = { 'canfar.net/instance': 'test', [attemptLabel]: id }
    server.upsert(pods, {
      metadata: { name: `${nameOf(id)}-x`, labels, finalizers: [finalizer] },
      spec: { nodeName: 'node-1', schedulingGates: [] },
      status: { phase: 'Running', containerStatuses: [{ name: containerName, imageID: '', state: container }] },
    } as never)
  }
  const startedAt = '2026-11-23T10:00:00Z'
  async function run(ids: readonly string[]): Promise<void> {
    await startAll(ids)
    await eventually('the Jobs', () => ids.every(isCreated))
    for (const id of ids) putPod(id, { running: { startedAt } })
    await eventually('running attempts', () => show(ids, 'running'))
  }
  async function end(ids: readonly string[]): Promise<void> {
    const terminated = { exitCode: 0, reason: 'Completed', startedAt, finishedAt: '2026-11-23T10:00:09Z' }
    for (const id of ids) putPod(id, { terminated })
    await eventually('ended attempts', () => show(ids, 'ended'))
  }

  const started = idsOf('s', many)
  const running = idsOf('r', many)
  const ended = idsOf('e', many)
  const held = [
    { what: 'creations', method: 'POST', path: /\/jobs$/, begin: () => startAll(started), most: 16 },
    { what: 'endings', method: 'PATCH', path: /\/test-r/, begin: () => stopAll(running), most: 16 },
    { what: 'removals', method: 'DELETE', path: /\/test-e/, begin: () => forgetAll(ended), most: 8 },
  ]
  for (const { what, method, path, begin, most } of held)
    it(`${what} without an answer return at once, are limited, and delay no others`, async () => {
      await run([...running, ...ended])
      await end(ended)
      const hold = server.hold(method, path)
      await begin()
      await eventually(`held ${what}`, () => hold.held() === most)
      if (what !== 'creations') {
        await startAll(started)
        await eventually('the Jobs', () => started.every(isCreated))
      }
      if (what !== 'endings') {
        await stopAll(running)
        await eventually('deleted Jobs', () => running.every(isDeleting))
      }
      if (what !== 'removals') {
        await forgetAll(ended)
        await eventually('removed Jobs', () => !ended.some(isCreated))
      }
      assert.equal(hold.held(), most)
      hold.release()
      await eventually('all', () => started.every(isCreated) && running.every(isDeleting) && !ended.some(isCreated))
    })

  it('an attempt is removed once by calls at the same time', async () => {
    const [id = ''] = ended
    await run([id])
    await end([id])
    await Promise.all([executor.forget(id), executor.forget(id), executor.forget(id)])
    assert.deepEqual(await executor.list(), [])
    await eventually('no objects', () => server.list(jobs).length + server.list(pods).length === 0)
    assert.equal(await executor.logSize(id), 'hello\n'.length)
  })

  it('an attempt whose log cannot be moved stays listed, and is removed by the next call', async () => {
    const [id = ''] = ended
    await run([id])
    await end([id])
    const logs = join(folder, 'logs')
    await rename(logs, `${logs}.away`)
    await writeFile(logs, 'in the way')
    await assert.rejects(executor.forget(id), { code: 'ENOTDIR' })
    assert.ok(await show([id], 'ended'))
    await rm(logs)
    await rename(`${logs}.away`, logs)
    await executor.forget(id)
    await eventually('no objects', () => server.list(jobs).length + server.list(pods).length === 0)
    assert.equal(await executor.logSize(id), 'hello\n'.length)
  })

  it('attempts leave nothing in memory when they are removed', async () => {
    await run(ended)
    await end(ended)
    assert.equal(queryObjects(Attempt, { format: 'count' }), ended.length)
    await forgetAll(ended)
    await eventually('no objects', () => server.list(jobs).length + server.list(pods).length === 0)
    await eventually('no attempts', () => queryObjects(Attempt, { format: 'count' }) === 0)
  })
})
