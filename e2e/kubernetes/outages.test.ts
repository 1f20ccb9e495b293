import assert from 'node:assert/strict'
import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { neededRights } from '../../packages/server/src/executor/kubernetes/api/rights.ts'
import { ClusterProcess, mendCluster, nodeReady } from '../support/cluster-process.ts'
import { OtherNode } from '../support/other-node.ts'
import { kubectl } from '../support/cluster-place.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'
import { ServiceAccount } from '../support/service-account.ts'

const skip = onKubernetes ? false : 'it takes EXECUTOR=kubernetes'

describe('outages of parts of the cluster', { skip }, () => {
  let platform: Platform
  let account: ServiceAccount
  before(async () => {
    platform = await Platform.make('kubernetes: {lossSeconds: 5}\n')
    // With a service account, as in a pod: an API server refuses accounts until it has loaded their roles.
    account = await ServiceAccount.make(platform.namespace, 'platform', neededRights({ usage: 'kubelet' }))
    const kubeconfig = join(platform.folder, 'service-account.conf')
    await account.writeKubeconfig(kubeconfig)
    platform.set('SCIENCE_PLATFORM_KUBERNETES_KUBECONFIG', kubeconfig)
    await platform.start()
  })
  afterEach(mendCluster)
  after(async () => {
    await platform[Symbol.asyncDispose]()
    await account[Symbol.asyncDispose]()
  })

  const runs = async (line: string): Promise<string> => {
    const id = await platform.submit(line)
    await platform.becomes(id, 'running')
    await eventually('its first words', async () => (await platform.logOf(id)) !== '')
    return id
  }
  const home = (file: string): string => join(platform.dataDir, 'arc/home/ada', file)
  /** Waits until a job has written a file, which works also without API server and platform. */
  const written = (file: string) =>
    eventually(`${file} to be written`, () =>
      access(home(file)).then(
        () => true,
        () => false,
      ),
    )

  it('the API server, for a minute: jobs continue, and jobs accepted meanwhile run once afterwards', async () => {
    const ending = await runs('echo up; until [ -e end ]; do sleep 0.2; done; rm end; echo down; touch ended; exit 3')
    const lasting = await runs('echo up; while [ ! -e go ]; do sleep 0.2; done; rm go; exit 4')
    const api = new ClusterProcess('apiserver')
    const silentUntil = Date.now() + 60_000
    await api.stop()
    const accepted = await platform.submit('echo once >> accepted; cat accepted; rm accepted')
    const cancelled = await platform.submit('sleep 600')
    await eventually('its owner to read what it waits for', async () =>
      (await platform.jobs().why(accepted)).summary.startsWith('The API server of the cluster does not answer.'),
    )
    await writeFile(home('end'), '')
    await written('ended')
    await platform.jobs().cancel(cancelled)
    assert.equal(await platform.logOf(lasting), 'up\n')
    // Longer than node-monitor-grace-period (50 s), without losing the jobs of the node.
    await eventually('a minute to be over', () => Promise.resolve(Date.now() > silentUntil), 70)
    await api.start()
    await nodeReady()
    assert.equal((await platform.ended(ending)).exitCode, 3)
    assert.equal(await platform.logOf(ending), 'up\ndown\n')
    assert.equal((await platform.ended(accepted)).exitCode, 0)
    assert.equal(await platform.logOf(accepted), 'once\n')
    const told = (await platform.jobs().events(accepted)).map(({ message }) => message)
    assert.ok(
      told.some((text) => text.startsWith('The API server of the cluster does not answer.')),
      told.join('\n'),
    )
    assert.equal((await platform.ended(cancelled)).state, 'cancelled')
    await platform.run('touch go')
    assert.equal((await platform.ended(lasting)).exitCode, 4)
  })

  it('the API server while our own is killed: after both restarts all guarantees hold', async () => {
    const id = await runs('echo up; while [ ! -e back ]; do sleep 0.2; done; rm back; exit 6')
    const api = new ClusterProcess('apiserver')
    await api.stop()
    await platform.stop('SIGKILL')
    await api.start()
    await platform.start()
    await nodeReady()
    await platform.run('touch back')
    assert.equal((await platform.ended(id)).exitCode, 6)
  })

  it('the kubelet: a job continues, and its end and its complete log are found', async () => {
    const id = await runs('echo up; until [ -e down ]; do sleep 0.2; done; rm down; echo down; touch gone-down; exit 5')
    const kubelet = new ClusterProcess('kubelet')
    await kubelet.stop()
    await writeFile(home('down'), '')
    await written('gone-down')
    await kubelet.start()
    await nodeReady()
    assert.equal((await platform.ended(id)).exitCode, 5)
    assert.equal(await platform.logOf(id), 'up\ndown\n')
  })

  it('containerd: a job continues, and its end and its complete log are found', async () => {
    const id = await runs('echo up; while [ ! -e done ]; do sleep 0.2; done; rm done; echo down; exit 7')
    const containerd = new ClusterProcess('containerd')
    await containerd.stop()
    await containerd.start()
    await nodeReady()
    await platform.run('touch done')
    assert.equal((await platform.ended(id)).exitCode, 7)
    assert.equal(await platform.logOf(id), 'up\ndown\n')
  })

  it('a cordoned node: its jobs continue, others wait with that reason, and start when it is uncordoned', async () => {
    const running = await runs('echo up; while [ ! -e opened ]; do sleep 0.2; done; rm opened')
    await kubectl('cordon', 'node-1')
    await eventually('the node to be known as closed', async () => {
      const id = await platform.submit('true')
      const { state, reason = '' } = await platform.jobs().get(id)
      await platform.jobs().cancel(id)
      return state === 'queued' && reason !== ''
    })
    const waiting = await platform.submit('touch opened')
    await eventually('it to be told what it waits for', async () => (await platform.jobs().get(waiting)).reason)
    assert.equal((await platform.jobs().get(waiting)).state, 'queued')
    assert.equal((await platform.jobs().get(running)).state, 'running')
    await kubectl('uncordon', 'node-1')
    assert.equal((await platform.ended(waiting)).exitCode, 0)
    assert.equal((await platform.ended(running)).exitCode, 0)
  })

  it('a drained node: its jobs are evicted with that cause', async () => {
    const id = await runs('trap "echo saved; exit 143" TERM; echo up; while :; do sleep 0.2; done')
    await kubectl(
      'drain',
      'node-1',
      '--force',
      '--ignore-daemonsets',
      '--delete-emptydir-data',
      '--grace-period=20',
      '--timeout=100s',
    )
    const job = await platform.ended(id)
    assert.deepEqual([job.state, job.cause?.code], ['failed', 'evicted'])
    assert.match(job.cause?.message ?? '', /being drained/)
    assert.match(await platform.logOf(id), /^up\nsaved\n/)
  })

  it('a lost node: events report its silence, then its jobs end as lost, with the copied part of their logs', async () => {
    const id = await runs('echo up; sleep 600')
    const kubelet = new ClusterProcess('kubelet')
    await kubelet.stop()
    const told = async () => (await platform.jobs().events(id)).map(({ reason }) => reason)
    await eventually('its owner to be told', async () => (await told()).includes('NodeSilent'), 120)
    assert.equal((await platform.jobs().get(id)).state, 'running', 'a cluster without any node suspects itself')
    await using _other = await OtherNode.join()
    const job = await eventually(
      'the job to be lost',
      async () => {
        const found = await platform.jobs().get(id)
        return found.state === 'failed' ? found : undefined
      },
      180,
    )
    assert.equal(job.cause?.code, 'lost')
    assert.match(job.cause?.message ?? '', /node-1 is gone/)
    assert.equal(await platform.logOf(id), 'up\n')
    await kubelet.start()
    await nodeReady()
    const { job: next } = await platform.run('true')
    assert.equal(next.exitCode, 0)
  })
})
