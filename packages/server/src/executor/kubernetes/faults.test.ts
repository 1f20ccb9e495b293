import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AttemptRunner } from '../attempt-runner.ts'
import type { Observed } from '../executor.ts'
import { isGone } from './api/api-error.ts'
import { identitySource } from './credentials/kubeconfig.ts'
import { FaultInjectingProxy } from './testing/fault-injecting-proxy.ts'
import { ada, busybox, TestCluster, whyNoCluster } from './testing/test-cluster.ts'

const notYet = (verb: string, resource: string): string =>
  `${resource} is forbidden: User "platform" cannot ${verb} resource "${resource}" in API group "" in the namespace "jobs"`

describe('what the API server refuses, or does late', { skip: whyNoCluster() ?? false }, () => {
  let proxy: FaultInjectingProxy
  let cluster: TestCluster
  let runner: AttemptRunner

  before(async () => {
    proxy = await FaultInjectingProxy.open(await identitySource(process.env['TEST_KUBECONFIG']))
    cluster = await TestCluster.open({ identity: proxy.identity, listSeconds: 2 })
    runner = new AttemptRunner(cluster.executor, { image: busybox, account: ada }, 'faults')
  })
  afterEach(() => {
    assert.equal(proxy.clear(), 0, 'all that was ordered came to pass')
  })
  after(async () => {
    try {
      await cluster.close()
    } finally {
      // Its connections would keep this process alive.
      proxy.close()
    }
  })

  const jobs = (): string => `/apis/batch/v1/namespaces/${cluster.namespace}/jobs`
  const jobOf = (attemptId: string): string => `${jobs()}/test-${attemptId}`
  const hasJob = (attemptId: string): Promise<boolean> =>
    cluster.api.get(jobOf(attemptId), { signal: AbortSignal.timeout(10_000) }).then(
      () => true,
      (error: unknown) => {
        if (isGone(error)) return false
        throw error
      },
    )
  async function podsOf(attemptId: string): Promise<{ readonly name: string; readonly phase: string }[]> {
    type Pods = {
      readonly items: readonly { readonly metadata: { name: string }; readonly status: { phase: string } }[]
    }
    const query = { labelSelector: `job-name=test-${attemptId}` }
    const path = `/api/v1/namespaces/${cluster.namespace}/pods`
    const { items } = await cluster.api.get<Pods>(path, { query, signal: AbortSignal.timeout(10_000) })
    return items.map(({ metadata: { name }, status: { phase } }) => ({ name, phase }))
  }
  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + 30_000; !(await holds());) {
      assert.ok(Date.now() < deadline, `after half a minute: not ${what}`)
      await sleep(100)
    }
  }
  /** All that an attempt was seen to wait for until its command ran. */
  async function waits(attemptId: string): Promise<(string | undefined)[]> {
    const seen = new Set<string | undefined>()
    await runner.observed(attemptId, ({ phase, waiting }: Observed) => {
      seen.add(waiting)
      return phase !== 'preparing'
    })
    return [...seen]
  }

  it('a right that is not known yet, as after a restart of the API server: nothing is lost', async () => {
    proxy.inject({ method: 'POST', path: /\/jobs/, times: 4, status: 403, message: notYet('create', 'jobs') })
    proxy.inject({ method: 'PATCH', path: /\/pods\//, times: 2, status: 403, message: notYet('patch', 'pods') })
    const spec = runner.script('echo ran')
    await runner.executor.start(spec)
    const texts = (await waits(spec.id)).join('\n')
    assert.match(
      texts,
      /The cluster does not accept the job yet: .*cannot create resource "jobs".* The platform retries\./,
    )
    assert.equal((await runner.ended(spec.id)).ending?.exitCode, 0)
    assert.equal(await runner.log(spec.id), 'ran\n')
  })

  it('an API server that does not answer: what waits for it says so, and runs when it does', async () => {
    proxy.inject({ method: 'POST', path: /\/jobs/, times: 4, status: 0 })
    const spec = runner.script('true')
    await runner.executor.start(spec)
    assert.ok((await waits(spec.id)).some((text) => text?.startsWith('The API server of the cluster does not answer.')))
    assert.equal((await runner.ended(spec.id)).ending?.exitCode, 0)
  })

  it('too many requests: it waits as long as it is told, and then runs', async () => {
    const headers = { 'retry-after': '1' }
    const ordered = ['POST', 'GET', 'PATCH'].map((method) =>
      proxy.inject({ method, path: /\/(jobs|pods)/, times: 2, status: 429, headers }),
    )
    assert.equal((await runner.run(runner.script('true'))).ending?.exitCode, 0)
    // Listings come in their turn.
    await until('all asked', () => Promise.resolve(ordered.every(({ met }) => met === 2)))
  })

  it('the opening of a gate: it is opened later', async () => {
    proxy.inject({ method: 'PATCH', path: /\/pods\//, times: 1, status: 422 })
    assert.equal((await runner.run(runner.script('true'))).ending?.exitCode, 0)
  })

  it('the end of a job that was told to stop: it is ended later', async () => {
    const spec = runner.script('sleep 600')
    await runner.executor.start(spec)
    await runner.running(spec.id)
    proxy.inject({ method: 'PATCH', path: /\/jobs\//, times: 1, status: 422 })
    proxy.inject({ method: 'DELETE', path: /\/jobs\//, times: 1, status: 422 })
    await runner.executor.stop(spec.id, 1)
    assert.equal((await runner.ended(spec.id)).ending?.cause.code, 'cancelled')
  })

  it('the removal of what has ended: it is removed later', async () => {
    const spec = runner.script('true')
    await runner.run(spec)
    proxy.inject({ method: 'DELETE', path: /\/jobs\//, times: 1, status: 422 })
    await runner.executor.forget(spec.id)
    await until('removed', async () => !(await hasJob(spec.id)))
  })

  it('a Job that is made after it was given up: it does not stay', async () => {
    const making = proxy.inject({ method: 'POST', path: /\/jobs/, times: 1, held: true })
    // The last request of a removal takes off the finalizer. What is made before would be removed by it.
    const removal = proxy.inject({ method: 'PATCH', path: /\/jobs\//, times: 1 })
    const spec = runner.script('echo ran > here')
    await runner.executor.start(spec)
    await until('asked for', () => Promise.resolve(making.met === 1))
    await runner.executor.stop(spec.id, 0)
    assert.equal((await runner.ended(spec.id)).ending?.exitCode, undefined)
    await runner.executor.forget(spec.id)
    await until('forgotten', () => Promise.resolve(removal.answers.length === 1))
    making.release()
    // By the answer, since the Job itself may come and go between two looks.
    await until('answered', () => Promise.resolve(making.answers.length === 1))
    assert.deepEqual(making.answers, [201], 'it was made')
    await until('removed', async () => !(await hasJob(spec.id)))
  })

  it('a second pod, when the one that had run is gone with all its traces: it is not let go, and the job ends', async () => {
    const spec = runner.script('echo ran; sleep 600')
    await runner.executor.start(spec)
    await runner.logHas(spec.id, 'ran')
    await runner.executor.close()
    // The cluster makes another pod for a Job whose pod was removed by hand, finalizers and all.
    const pods = `/api/v1/namespaces/${cluster.namespace}/pods`
    const signal = AbortSignal.timeout(60_000)
    const first = (await podsOf(spec.id))[0]?.name ?? ''
    await cluster.api.patch(`${pods}/${first}`, { metadata: { finalizers: null } }, signal)
    await cluster.api.delete(`${pods}/${first}`, { gracePeriodSeconds: 0 }, signal)
    await until('another pod', async () => (await podsOf(spec.id)).some(({ name }) => name !== first))
    runner.executor = await cluster.reopen()
    const { ending } = await runner.ended(spec.id)
    assert.equal(ending?.cause.code, 'evicted', JSON.stringify(ending))
    assert.equal(await runner.log(spec.id), 'ran\n')
  })

  it('a Job that somebody suspends while no server is there: its log is kept, and nothing runs twice', async () => {
    const spec = runner.script('echo ran; sleep 600')
    await runner.executor.start(spec)
    await runner.logHas(spec.id, 'ran')
    await runner.executor.close()
    const suspend = { spec: { suspend: true } }
    await cluster.api.patch(jobOf(spec.id), suspend, AbortSignal.timeout(10_000))
    await until('its pod to have ended', async () => (await podsOf(spec.id)).every(({ phase }) => phase === 'Failed'))
    runner.executor = await cluster.reopen()
    const { ending } = await runner.ended(spec.id)
    assert.equal(ending?.cause.code, 'evicted', JSON.stringify(ending))
    assert.equal(await runner.log(spec.id), 'ran\n')
  })
})
