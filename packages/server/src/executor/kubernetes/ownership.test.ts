import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { pino } from 'pino'
import type { AttemptSpec, Executor } from '../executor.ts'
import { KubernetesApi } from './api/api-client.ts'
import { createKubernetesExecutor } from './kubernetes.ts'
import { leaseName, NamespaceLease } from './lease/namespace-lease.ts'
import { identityLabel } from './objects/names.ts'
import { SimulatedApiServer } from './testing/simulated-api-server.ts'
import { optionsOn, smallSpec } from './testing/simulated-cluster-options.ts'

const jobs = '/apis/batch/v1/namespaces/jobs/jobs'
const pods = '/api/v1/namespaces/jobs/pods'
const leases = '/apis/coordination.k8s.io/v1/namespaces/jobs/leases'
const spec = (id: string, identity?: string): AttemptSpec => ({
  ...smallSpec(id),
  ...(identity === undefined
    ? {}
    : { origin: { identity, submittedAt: 1, timeSeconds: 60, taskIndex: 1, taskCount: 1 } }),
})
const log = pino({ level: 'silent' })

describe('whose Jobs these are', () => {
  let folder: string
  let server: SimulatedApiServer
  const opened: Executor[] = []
  const lost: string[] = []
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kubernetes-ownership-'))
    server = await SimulatedApiServer.open()
    lost.length = 0
  })
  afterEach(async () => {
    for (const executor of opened.splice(0)) await executor.close()
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** A server's executor. @param records The attempts that its database has a record of. */
  const make = (identity: string, records: Set<string>): Executor => {
    const executor = createKubernetesExecutor({
      ...optionsOn(server, join(folder, identity)),
      ownership: { identity, recorded: async (ids) => new Set(ids.filter((id) => records.has(id))) },
      onLeaseLost: (message) => lost.push(message),
      listSeconds: 1,
    })
    opened.push(executor)
    return executor
  }
  const open = async (identity: string, records = new Set<string>()): Promise<Executor> => {
    const executor = make(identity, records)
    await executor.open()
    return executor
  }
  async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + 60_000; !(await holds());) {
      assert.ok(Date.now() < deadline, `waited 60 s in vain for ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  /** The Job and a gated pod of an attempt, as a server created them. */
  const putJob = (id: string, labels: Record<string, string> = {}, isSuspended = false): void => {
    const all = { 'canfar.net/instance': 'test', 'canfar.net/attempt': id, ...labels }
    const finalizers = ['canfar.net/ending']
    const job = {
      metadata: { name: `test-${id}`, labels: all, finalizers },
      spec: { suspend: isSuspended, template: {} },
    }
    server.upsert(jobs, job)
    if (isSuspended) return
    const pod = { spec: { schedulingGates: [{ name: 'canfar.net/start' }] }, status: { phase: 'Pending' } }
    server.upsert(pods, { metadata: { name: `test-${id}-x`, labels: all, finalizers }, ...pod } as never)
  }
  const versions = (): string[] =>
    [...server.list(jobs), ...server.list(pods)].map(
      ({ metadata: { name, resourceVersion } }) => `${name} ${resourceVersion}`,
    )
  const holder = () => server.list(leases)[0]?.['spec'] as { holderIdentity: string; acquireTime: string } | undefined
  const labelsOf = (id: string): Readonly<Record<string, string>> => {
    const job = server.list(jobs).find(({ metadata }) => metadata.name === `test-${id}`)
    return (job?.metadata as { labels?: Record<string, string> } | undefined)?.labels ?? {}
  }

  it('leaves Jobs without a record as they are, before and after they appear, and lists them', async () => {
    const executor = await open('mine')
    await executor.close()
    putJob('early000-1')
    putJob('held0000-1', {}, true)
    const before = versions()
    const next = await open('mine')
    putJob('later000-1')
    await eventually('all to be listed', async () => (await next.list()).length === 3)
    await next.stop('early000-1', 0)
    await next.start(spec('mine0000-1', 'mine'))
    await eventually('an own Job', () => server.list(jobs).length === 4)
    assert.deepEqual(
      versions().filter((line) => !/mine|later/.test(line)),
      before,
    )
    assert.equal(labelsOf('mine0000-1')[identityLabel], 'mine')
  })

  it('stamps the Jobs that the database knows, and adopts one that gets its record later', async () => {
    putJob('known000-1')
    putJob('other000-1')
    const records = new Set(['known000-1'])
    const executor = await open('mine', records)
    await eventually('the stamp', () => labelsOf('known000-1')[identityLabel] === 'mine')
    assert.equal(labelsOf('other000-1')[identityLabel], undefined)
    const gates = () =>
      server.list(pods).map(({ spec }) => (spec as { schedulingGates?: object[] }).schedulingGates?.length)
    await eventually('the gate of its own pod', () => gates()[0] === undefined)
    assert.equal(gates()[1], 1)
    records.add('other000-1')
    await eventually('the gate of the adopted pod', () => gates()[1] === undefined)
    await executor.stop('other000-1', 1)
    await eventually('its deletion', () =>
      server
        .list(jobs)
        .some(({ metadata }) => metadata.name.includes('other') && metadata.deletionTimestamp !== undefined),
    )
  })

  it('refuses another database, and says whose the Jobs are and what to do', async () => {
    await open('theirs')
    putJob('theirs00-1')
    const before = versions()
    await assert.rejects(open('mine'), (error: Error) => {
      assert.match(
        error.message,
        /instance test in the namespace jobs: they belong to the database theirs since \d{4}-/,
      )
      assert.match(error.message, /science-platform adopt/)
      return true
    })
    assert.deepEqual(versions(), before)
    assert.equal(holder()?.holderIdentity, 'theirs')
  })

  it('refuses where unknown Jobs run and no Lease is there: a release without one may serve them', async () => {
    putJob('theirs00-1')
    await assert.rejects(open('mine'), /1 Jobs there have no record in this database/)
    assert.equal(holder(), undefined)
  })

  it('gives the Lease back to the same database at once, and the earlier process stops', async () => {
    const first = await open('mine')
    const since = holder()?.acquireTime
    await open('mine')
    assert.equal(holder()?.acquireTime, since)
    await eventually('the first to notice', () => lost.length === 1)
    assert.match(lost[0] ?? '', /held by the database mine on/)
    await first.close()
    await new Promise((resolve) => setTimeout(resolve, 0))
    assert.equal(lost.length, 1)
  })

  it('refuses a copy on another host while the first renews, and takes over from one that is gone', async () => {
    const closing = new AbortController()
    const seconds = { renew: 0.05, lasts: 2 }
    const lease = (identity: string, host: string, signal = closing.signal): NamespaceLease => {
      const api = new KubernetesApi(server.identity, { log })
      return new NamespaceLease({
        api,
        namespace: 'jobs',
        instance: 'test',
        identity,
        host,
        seconds,
        signal,
        onLost: (message) => lost.push(message),
        log,
      })
    }
    const dying = new AbortController()
    const none = { recorded: 0, others: 0 }
    await lease('mine', 'one', dying.signal).take(none)
    await assert.rejects(lease('mine', 'two').take(none), /a copy of this database \(mine\) runs on one/)
    await assert.rejects(lease('theirs', 'two').takeOver(), /The server of the database mine runs on one/)
    dying.abort()
    await lease('theirs', 'two').takeOver()
    assert.equal(holder()?.holderIdentity, 'theirs')
    assert.equal(server.list(leases)[0]?.metadata.name, leaseName('test'))
    await lease('theirs', 'three').take(none)
    closing.abort()
  })
})
