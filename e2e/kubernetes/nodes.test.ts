import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { kubectl } from '../support/cluster-place.ts'
import { OtherNode } from '../support/other-node.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'
import { waitsFor } from '../support/waits-for.ts'

const skip = onKubernetes ? false : 'it takes EXECUTOR=kubernetes'
const real = 'node-1'

describe('several nodes', { skip }, () => {
  let platform: Platform
  /** Free capacity without jobs: the platform of these tests offers each core twice. */
  let own: number
  before(async () => {
    // The platform counts other pods once a minute, and pods of earlier tests may still be terminating.
    await eventually('the node to be empty', async () => (await kubectl('get', 'pods', '-A', '-o', 'name')) === '', 120)
    own = 2 * Number(await kubectl('get', 'node', real, '-o', 'jsonpath={.status.allocatable.cpu}'))
    platform = await Platform.make('queue: {backfill: {reserveAfterSeconds: 0}}\n')
    await platform.start()
    await freeBecomes(own)
  })
  afterEach(async () => {
    await platform.cancelAll()
    await freeBecomes(own)
  })
  after(() => platform[Symbol.asyncDispose]())

  const running = async (request = {}) => {
    const id = await platform.submit('sleep 600', { cores: 1, memoryGb: 1, ...request })
    await platform.becomes(id, 'running')
    return id
  }
  /** The nodes of the jobs' pods. Pods of a cancelled job may still exist. */
  const nodesOf = async (...ids: readonly string[]): Promise<string[]> => {
    const selector = `canfar.net/id in (${ids.join(',')})`
    const path = 'jsonpath={.items[*].spec.nodeName}'
    return (await kubectl('get', 'pods', '-n', platform.namespace, '-l', selector, '-o', path)).split(' ')
  }
  const freeBecomes = (cores: number) =>
    eventually(`${cores} cores to be free`, async () => (await platform.jobs().queue()).free.cores === cores)
  /** The platform sees a new node with its next listing. */
  const joined = async (offer: Record<string, string>): Promise<OtherNode> => {
    const other = await OtherNode.join({ memory: '512Gi', pods: '100', ...offer })
    await freeBecomes(own + 2 * Number(offer['cpu']))
    return other
  }

  it('jobs are placed on the node with the fewest remaining cores, while Kubernetes would choose an empty node', async () => {
    await using _other = await joined({ cpu: '64' })
    const ids = [await running(), await running(), await running()]
    assert.deepEqual(await nodesOf(...ids), [real, real, real])
  })

  it('nodes with GPUs are left to jobs with GPUs, even if they fit better', async () => {
    await using _other = await joined({ cpu: '1', 'nvidia.com/gpu': '4' })
    const ids = [await running(), await running()]
    assert.deepEqual(await nodesOf(...ids), [real, real])
    const third = await platform.submit('true', { cores: 1, memoryGb: 1, gpus: 1 })
    await eventually('the third to be bound', async () => (await nodesOf(third)).includes('node-2'))
    await platform.jobs().cancel(third)
  })

  it('GPUs are counted on their node', async () => {
    const offer = (change: object) =>
      kubectl('patch', 'node', real, '--subresource=status', '--type=json', '-p', JSON.stringify([change]))
    const path = '/status/capacity/nvidia.com~1gpu'
    await offer({ op: 'add', path, value: '2' })
    try {
      await eventually('GPUs to be free', async () => (await platform.jobs().queue()).free.gpus === 2)
      const first = await running({ gpus: 1 })
      await running({ gpus: 1 })
      const third = await platform.submit('true', { cores: 1, memoryGb: 1, gpus: 1 })
      const told = await waitsFor(platform.jobs(), third, 'reservation')
      assert.match(told.summary, /1 GPU are reserved for it on node-1/)
      await assert.rejects(
        platform.submit('true', { cores: 1, memoryGb: 1, gpus: 3 }),
        // The second form: the platform may still count the node of the test before.
        /gpus is 3, but no node has more than 2 GPUs|no node has 1 cores, 1 GiB of memory and 3 GPUs together/,
      )
      await platform.jobs().cancel(first)
      assert.equal((await platform.ended(third)).state, 'succeeded')
    } finally {
      await offer({ op: 'remove', path })
    }
  })
})
