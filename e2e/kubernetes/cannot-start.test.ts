import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { kubectl } from '../support/cluster-place.ts'
import { OtherNode } from '../support/other-node.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'
import { Refusal } from '../support/refusal.ts'
import { isToldToWait } from '../support/waits-for.ts'

const skip = onKubernetes ? false : 'it takes EXECUTOR=kubernetes'

describe('a job that the cluster does not start', { skip }, () => {
  let platform: Platform
  before(async () => {
    platform = await Platform.make()
    await platform.start()
  })
  after(() => platform[Symbol.asyncDispose]())

  const inNamespace = (...args: string[]): Promise<string> => kubectl(...args, '-n', platform.namespace)
  const isGone = (id: string) =>
    eventually(
      `all objects of ${id} to be gone`,
      async () => !(await inNamespace('get', 'jobs,pods', '-o', 'name')).includes(id),
    )

  it('pods that a policy refuses: they wait with its message, can be cancelled, and start when the policy is removed', async () => {
    await using policy = await Refusal.of('pods', platform.namespace, 'refused-pod')
    const id = await platform.submit('exit 3', { name: 'refused-pod' })
    const words = await isToldToWait(
      platform.jobs(),
      id,
      /^The cluster does not let the job start: .*pods are refused here, says this test\. The cluster retries; the operators may have to change something\.$/,
    )
    assert.ok(words.includes(policy.name), words)
    const other = await platform.submit('true', { name: 'refused-pod' })
    await eventually('the other to wait', async () => /refused here/.test((await platform.jobs().why(other)).summary))
    // The job waits as long as the policy exists: the platform does not give up.
    assert.equal((await platform.jobs().get(id)).state, 'starting')
    await platform.jobs().cancel(other)
    const cancelled = await platform.ended(other)
    assert.deepEqual([cancelled.state, cancelled.startedAt], ['cancelled', undefined])
    await isGone(other)

    await policy.remove()
    const job = await platform.ended(id)
    assert.deepEqual([job.state, job.exitCode], ['failed', 3])
    assert.doesNotMatch((await platform.jobs().why(id)).summary, /refused here/)
  })

  it('Jobs that a policy refuses: they end with its message', async () => {
    await using policy = await Refusal.of('jobs', platform.namespace, 'refused-job')
    const job = await platform.ended(await platform.submit('true', { name: 'refused-job' }))
    assert.deepEqual([job.state, job.cause?.code, job.startedAt], ['failed', 'start-failed', undefined])
    assert.match(job.cause?.message ?? '', /^The cluster refused the job: .*jobs are refused here, says this test/)
    assert.ok(job.cause?.message.includes(policy.name))
  })

  it('a Job above a quota: it waits with the message of the quota, then runs', async () => {
    // The platform itself has capacity for all three.
    const small = { cores: 1, memoryGb: 1 }
    await inNamespace('create', 'quota', 'one-job', '--hard=count/jobs.batch=1')
    try {
      const first = await platform.submit('until [ -e first ]; do sleep 0.2; done; rm first', small)
      await platform.becomes(first, 'running')
      const second = await platform.submit('echo second', small)
      await isToldToWait(
        platform.jobs(),
        second,
        /^The cluster accepts no more jobs now: .*exceeded quota: one-job, requested: count\/jobs.batch=1, used: count\/jobs.batch=1, limited: count\/jobs.batch=1\.$/,
      )
      assert.doesNotMatch(await inNamespace('get', 'jobs', '-o', 'name'), new RegExp(second))
      const third = await platform.submit('true', small)
      await eventually('the third to wait', async () => /one-job/.test((await platform.jobs().why(third)).summary))
      await platform.jobs().cancel(third)
      assert.equal((await platform.ended(third)).state, 'cancelled')
      // Not in another job, because the quota admits none.
      await writeFile(join(platform.dataDir, 'arc/home/ada/first'), '')
      assert.equal((await platform.ended(first)).state, 'succeeded')
      assert.equal((await platform.ended(second)).state, 'succeeded')
      assert.equal(await platform.logOf(second), 'second\n')
    } finally {
      await inNamespace('delete', 'quota', 'one-job')
    }
  })
})

describe('a node that refuses a planned pod', { skip }, () => {
  const taint = 'cannot-start'
  const offer = { cpu: '64', memory: '512Gi' }

  it('is reported with the reasons of all nodes; once cordoned, it gets no more jobs', async () => {
    // No other pods run on the second node.
    await using platform = await Platform.make(`kubernetes: {tolerations: [{key: ${taint}, operator: Exists}]}\n`)
    await platform.start()
    const jobs = platform.jobs()
    const inNamespace = (...args: string[]): Promise<string> => kubectl(...args, '-n', platform.namespace)
    // Its cores and memory, which the planner knows, suffice. Its pod limit is zero.
    await using node = await OtherNode.join({ ...offer, pods: '0' }, 'node-3', taint)
    const isFree = (cores: number) =>
      eventually('the plan to follow the nodes', async () => (await jobs.queue()).free.cores > 64 === cores > 64)
    await isFree(128)

    const id = await platform.submit('true', { cores: 40, memoryGb: 1 })
    await isToldToWait(
      jobs,
      id,
      /^No node of the cluster has room for the job: (?=.*\b1 without enough free cores\b)(?=.*\b1 with their limit of pods reached\b).*\. The job starts when one has\.$/,
    )
    // The Kubernetes scheduler retries a pod only after a change that may help, so each change is another one.
    await kubectl('taint', 'node', node.name, 'other-work=true:NoSchedule')
    await isFree(0)
    await node.offers({ ...offer, pods: '10' })
    await isToldToWait(jobs, id, /^No node of the cluster has room for the job: .*\b1 reserved for other work\b/)
    await kubectl('cordon', node.name)
    await kubectl('taint', 'node', node.name, 'other-work-')
    await isToldToWait(jobs, id, /^No node of the cluster has room for the job: .*\b1 closed for new jobs\b/)
    await isFree(0)
    // A job that fits only on this node is not placed.
    await assert.rejects(platform.submit('true', { cores: 40, memoryGb: 1 }), /no node has 40 cores, 1 GiB of memory/)

    await kubectl('uncordon', node.name)
    const nodeOfPod = () => inNamespace('get', 'pods', '-o', 'jsonpath={.items[*].spec.nodeName}')
    await eventually('it to be bound', async () => (await nodeOfPod()) === node.name)
    await jobs.cancel(id)
    await node.endPods()
    assert.equal((await platform.ended(id)).state, 'cancelled')
  })
})
