import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { kubectl } from '../support/cluster-place.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'

describe(
  'what people do to the cluster by hand',
  { skip: onKubernetes ? false : 'it takes EXECUTOR=kubernetes' },
  () => {
    let platform: Platform
    before(async () => {
      platform = await Platform.make()
      await platform.start()
    })
    after(() => platform[Symbol.asyncDispose]())

    const namespaced = (...args: string[]) => kubectl(...args, '-n', platform.namespace)
    const ofJob = (id: string) => ['-l', `canfar.net/id=${id}`]
    const runs = async (line: string): Promise<string> => {
      const id = await platform.submit(line)
      await platform.becomes(id, 'running')
      await eventually('its first words', async () => (await platform.logOf(id)) !== '')
      return id
    }

    it('reports to the owner that the pod was deleted, keeps the log, and starts no second pod', async () => {
      const id = await runs('echo once >> runs; echo up; sleep 600')
      await namespaced('delete', 'pod', ...ofJob(id), '--wait=false')
      const job = await platform.ended(id)
      assert.deepEqual([job.state, job.cause?.code], ['failed', 'evicted'])
      assert.match(job.cause?.message ?? '', /pod was deleted in the cluster/)
      assert.equal(await platform.logOf(id), 'up\n')
      const { log } = await platform.run('cat runs; rm runs')
      assert.equal(log, 'once\n')
    })

    it('reports to the owner that the pod was deleted with force', async () => {
      const id = await runs('echo up; sleep 600')
      await namespaced('delete', 'pod', ...ofJob(id), '--force', '--grace-period=0', '--wait=false')
      const job = await platform.ended(id)
      assert.deepEqual([job.state, job.cause?.code], ['failed', 'evicted'])
    })

    it('reports the same to the owner where the job handles SIGTERM and exits with a code of its own', async () => {
      for (const code of [0, 7]) {
        const id = await runs(`trap 'echo saved; exit ${code}' TERM; echo up; while :; do sleep 0.1; done`)
        await namespaced('delete', 'pod', ...ofJob(id), '--wait=false')
        const job = await platform.ended(id)
        assert.deepEqual([job.state, job.cause?.code, job.exitCode], ['failed', 'evicted', code])
        assert.equal(await platform.logOf(id), 'up\nsaved\n')
      }
    })

    it('reports to the owner that the Job was deleted, and ends its pod', async () => {
      const id = await runs('echo up; sleep 600')
      await namespaced('delete', 'job', ...ofJob(id), '--wait=false')
      const job = await platform.ended(id)
      assert.deepEqual([job.state, job.cause?.code], ['failed', 'evicted'])
      assert.match(job.cause?.message ?? '', /Job was deleted in the cluster/)
    })

    it('finds the end of a job whose objects were deleted while no server ran', async () => {
      const id = await runs('echo up; until [ -e go ]; do sleep 0.2; done; rm go; echo down; exit 5')
      await platform.stop('SIGKILL')
      await namespaced('delete', 'job', ...ofJob(id), '--wait=false')
      await writeFile(join(platform.dataDir, 'arc/home/ada/go'), '')
      const phase = () => namespaced('get', 'pod', ...ofJob(id), '-o', 'jsonpath={.items[*].status.phase}')
      await eventually('its pod to have ended', async () => (await phase()) === 'Failed')
      await platform.start()
      const job = await platform.ended(id)
      assert.equal(job.exitCode, 5)
      assert.equal(await platform.logOf(id), 'up\ndown\n')
    })

    it('does not rerun a job whose objects and finalizers were removed while no server ran', async () => {
      const id = await runs('echo once >> traces; echo up; sleep 600')
      await platform.stop('SIGKILL')
      for (const kind of ['pod', 'job']) {
        const [name = ''] = (await namespaced('get', kind, ...ofJob(id), '-o', 'name')).split('\n')
        await namespaced('delete', name, '--wait=false', '--grace-period=1')
        await namespaced('patch', name, '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
      }
      await platform.start()
      const job = await platform.ended(id)
      assert.deepEqual([job.state, job.cause?.code], ['failed', 'evicted'])
      const { log } = await platform.run('cat traces; rm traces')
      assert.equal(log, 'once\n')
    })

    it('leaves no objects of ended jobs in the cluster', async () => {
      await eventually(
        'an empty namespace',
        async () => (await namespaced('get', 'jobs,pods,secrets', '-o', 'name')) === '',
      )
    })
  },
)
