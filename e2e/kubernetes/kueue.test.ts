import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { applyObjects, kubectl } from '../support/cluster-place.ts'
import { Kueue } from '../support/kueue.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'

const kueueApi = 'kueue.x-k8s.io/v1beta2'

/** Small jobs have one core. Large jobs have two, the capacity of the node. */
const settings = `
queue: {classes: {small: {cores: 1, memoryGb: 1}, large: {cores: 2, memoryGb: 64}}}
kubernetes: {queue: {localQueue: science, priorityClasses: {small: urgent, normal: usual, large: patient}}}
`

describe('Kueue admits', { skip: onKubernetes ? false : 'it takes EXECUTOR=kubernetes' }, () => {
  let kueue: Kueue
  let platform: Platform

  before(async () => {
    kueue = await Kueue.start()
    platform = await Platform.make(settings)
    // Without overcommit, so that requests equal quotas.
    platform.set('SCIENCE_PLATFORM_KUBERNETES_OVERCOMMIT', '1')
    await applyObjects([
      { apiVersion: kueueApi, kind: 'ResourceFlavor', metadata: { name: 'node' } },
      ...Object.entries({ urgent: 100, usual: 10, patient: 1 }).map(([name, value]) => ({
        apiVersion: kueueApi,
        kind: 'WorkloadPriorityClass',
        metadata: { name },
        value,
      })),
    ])
    await quota('2', 'None')
  })

  after(async () => {
    await platform[Symbol.asyncDispose]()
    await kubectl('delete', 'localqueues,workloads', '--all', '-n', platform.namespace)
    await kubectl('delete', 'clusterqueue,resourceflavor', '--all')
    await kueue[Symbol.asyncDispose]()
  })

  /** Sets the quota of the queue, and whether it admits jobs. */
  const quota = (cores: string, stopPolicy: 'None' | 'Hold' | 'HoldAndDrain'): Promise<void> =>
    applyObjects([
      {
        apiVersion: kueueApi,
        kind: 'ClusterQueue',
        metadata: { name: 'observatory' },
        spec: {
          namespaceSelector: {},
          stopPolicy,
          preemption: { withinClusterQueue: 'LowerPriority' },
          resourceGroups: [
            {
              coveredResources: ['cpu', 'memory', 'ephemeral-storage'],
              flavors: [
                {
                  name: 'node',
                  resources: [
                    { name: 'cpu', nominalQuota: cores },
                    { name: 'memory', nominalQuota: '8Gi' },
                    { name: 'ephemeral-storage', nominalQuota: '100Gi' },
                  ],
                },
              ],
            },
          ],
        },
      },
    ])

  const waitsFor = (id: string, pattern: RegExp) =>
    eventually(`its reason to be like ${pattern.source}`, async () => {
      const { summary } = await platform.jobs().why(id)
      return pattern.test(summary)
    })
  const small = { cores: 1, memoryGb: 1 }
  const large = { cores: 2, memoryGb: 1 }
  const workloads = () => kubectl('get', 'workloads', '-n', platform.namespace, '-o', 'json')

  it('a missing queue: the server does not start, and names it', async () => {
    await assert.rejects(platform.start(), /localQueue is science, which cannot be read in the namespace .*not found/)
    await applyObjects([
      {
        apiVersion: kueueApi,
        kind: 'LocalQueue',
        metadata: { name: 'science', namespace: platform.namespace },
        spec: { clusterQueue: 'observatory' },
      },
    ])
    await platform.start()
  })

  it('a job, with the priority of its size', async () => {
    const id = await platform.submit('echo up; until [ -e go ]; do sleep 0.2; done; rm go; exit 3', small)
    await platform.becomes(id, 'running')
    assert.match(await workloads(), /"priorityClassRef": \{[^}]*"name": "urgent"/)
    await platform.run('touch go', small)
    assert.equal((await platform.ended(id)).exitCode, 3)
    assert.equal(await platform.logOf(id), 'up\n')
    await eventually('its workload to be gone', async () => !(await workloads()).includes(id))
  })

  it('no job without quota: it waits with the reason, and runs with more quota', async () => {
    const first = await platform.submit('until [ -e first ]; do sleep 0.2; done; rm first', large)
    await platform.becomes(first, 'running')
    const second = await platform.submit('echo second', large)
    await waitsFor(second, /queue of the cluster \(Kueue\): 2 cores in node must become free/)
    const { expectedStart } = await platform.jobs().why(second)
    assert.ok(Date.parse(expectedStart?.p90 ?? '') > Date.now(), 'its start is foretold')
    const told = async () => (await platform.jobs().events(second)).map(({ message }) => message).join('\n')
    await eventually('an event that says so', async () => (await told()).includes('2 cores in node must become free'))
    // Not in another job, which would be more urgent and preempt the first.
    await writeFile(join(platform.dataDir, 'arc/home/ada/first'), '')
    assert.equal((await platform.ended(second)).state, 'succeeded')
    assert.equal((await platform.ended(first)).state, 'succeeded')
  })

  it('a more urgent job by eviction: the owner gets an event, and no job runs twice', async () => {
    const patient = await platform.submit('echo once >> places; echo up; sleep 600', large)
    await platform.becomes(patient, 'running')
    await eventually('its first words', async () => (await platform.logOf(patient)) !== '')
    const urgent = await platform.run('echo urgent', small)
    assert.equal(urgent.job.state, 'succeeded')
    const job = await platform.ended(patient)
    assert.deepEqual([job.state, job.cause?.code], ['failed', 'evicted'])
    assert.match(job.cause?.message ?? '', /queue of the cluster \(Kueue\) evicted the job from node-1/)
    assert.equal(await platform.logOf(patient), 'up\n')
    assert.equal((await platform.run('cat places; rm places', small)).log, 'once\n')
  })

  it('and evicts while our server is down: no job runs twice', async () => {
    const id = await platform.submit('echo once >> away; echo up; sleep 600', small)
    await platform.becomes(id, 'running')
    await eventually('its first words', async () => (await platform.logOf(id)) !== '')
    await platform.stop('SIGKILL')
    await quota('2', 'HoldAndDrain')
    await eventually('the job to be suspended', async () =>
      (await kubectl('get', 'jobs', '-n', platform.namespace, '-o', 'json')).includes('"suspend": true'),
    )
    await quota('2', 'None')
    // Kueue readmits the Job, and the cluster creates a second pod, which must not run.
    await eventually('another pod of the job', async () => {
      const pods = await kubectl('get', 'pods', '-n', platform.namespace, '-o', 'json')
      const { items } = JSON.parse(pods) as { items: { metadata: { deletionTimestamp?: string } }[] }
      return items.some(({ metadata }) => metadata.deletionTimestamp === undefined)
    })
    await platform.start()
    const job = await platform.ended(id)
    assert.deepEqual([job.state, job.cause?.code], ['failed', 'evicted'])
    assert.equal((await platform.run('cat away; rm away', small)).log, 'once\n')
  })

  it('jobs in a queue, where a waiting job is cancelled at once', async () => {
    await quota('2', 'Hold')
    const id = await platform.submit('echo never', small)
    await waitsFor(id, /Kueue/)
    await platform.jobs().cancel(id)
    const job = await platform.ended(id)
    assert.deepEqual([job.state, job.startedAt], ['cancelled', undefined])
    await quota('2', 'None')
    await eventually('its workload to be gone', async () => !(await workloads()).includes(id))
  })
})
