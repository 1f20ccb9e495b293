import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { neededRights } from '../../packages/server/src/executor/kubernetes/api/rights.ts'
import { kubectl, testKubeconfig } from '../support/cluster-place.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'
import { ServiceAccount } from '../support/service-account.ts'
import { ApiServerProxy } from '../support/api-server-proxy.ts'

const skip = onKubernetes ? false : 'it takes EXECUTOR=kubernetes'

describe('the connection to the API server', { skip }, () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kubernetes-connection-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('stalls without closing: silent watches delay ends, but lose none', async () => {
    const proxy = await ApiServerProxy.open('127.0.0.1')
    try {
      const kubeconfig = join(folder, 'through-proxy.conf')
      const text = await readFile(testKubeconfig(), 'utf8')
      await writeFile(kubeconfig, text.replace(/127\.0\.0\.1:6443/, `127.0.0.1:${proxy.port}`))
      await using platform = await Platform.make()
      platform.set('SCIENCE_PLATFORM_KUBERNETES_KUBECONFIG', kubeconfig)
      await platform.start()
      const id = await platform.submit('echo up; while [ ! -e go ]; do sleep 0.2; done; rm go; echo down; exit 9')
      await platform.becomes(id, 'running')
      proxy.freeze()
      await eventually('its node to know', async () =>
        (await kubectl('get', 'pods', '-n', platform.namespace)).includes('Running'),
      )
      const { job } = await platform.run('touch go')
      assert.equal(job.exitCode, 0)
      assert.equal((await platform.ended(id)).exitCode, 9)
      assert.equal(await platform.logOf(id), 'up\ndown\n')
    } finally {
      proxy.close()
    }
  })

  it('a kubeconfig that lacks a right: the server does not start, and names it', async () => {
    await using platform = await Platform.make()
    const onlyJobs = neededRights({ usage: 'none' }).filter(({ resource }) => resource === 'jobs')
    await using account = await ServiceAccount.make(platform.namespace, 'no-pod-logs', onlyJobs)
    const kubeconfig = join(folder, 'poor.conf')
    await account.writeKubeconfig(kubeconfig)
    platform.set('SCIENCE_PLATFORM_KUBERNETES_KUBECONFIG', kubeconfig)
    await assert.rejects(platform.start(), (error: Error) => {
      assert.match(error.message, new RegExp(`get pods/log in the namespace ${platform.namespace}`))
      assert.match(error.message, /list nodes in all namespaces/)
      assert.match(error.message, /get nodes\/proxy in all namespaces \(or set kubernetes\.usage/)
      assert.doesNotMatch(error.message, /jobs\.batch/)
      assert.ok(!error.message.includes(account.token))
      return true
    })
    platform.set('SCIENCE_PLATFORM_KUBERNETES_KUBECONFIG', testKubeconfig())
  })
})
