import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, connect, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { kubectl, testKubeconfig } from '../support/cluster-place.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'

const skip = onKubernetes ? false : 'it takes EXECUTOR=kubernetes'

describe('the way to the API server', { skip }, () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kubernetes-connection-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('falls silent without closing: watches that say nothing any more cost time, and no ending', async () => {
    const way = await Way.open()
    try {
      const kubeconfig = join(folder, 'through-way.conf')
      const text = await readFile(testKubeconfig(), 'utf8')
      await writeFile(kubeconfig, text.replace(/127\.0\.0\.1:6443/, `127.0.0.1:${way.port}`))
      await using platform = await Platform.make()
      platform.set('SCIENCE_PLATFORM_KUBERNETES_KUBECONFIG', kubeconfig)
      await platform.start()
      const id = await platform.submit('echo up; while [ ! -e go ]; do sleep 0.2; done; rm go; echo down; exit 9')
      await platform.becomes(id, 'running')
      way.freeze()
      await eventually('its node to know', async () =>
        (await kubectl('get', 'pods', '-n', platform.namespace)).includes('Running'),
      )
      const { job } = await platform.run('touch go')
      assert.equal(job.exitCode, 0)
      assert.equal((await platform.ended(id)).exitCode, 9)
      assert.equal(await platform.logOf(id), 'up\ndown\n')
    } finally {
      way.close()
    }
  })

  it('a kubeconfig that lacks a right: the server does not start, and names it', async () => {
    const name = 'no-pod-logs'
    await using platform = await Platform.make()
    const inNamespace = ['-n', platform.namespace]
    await kubectl('create', 'serviceaccount', name, ...inNamespace)
    await kubectl(
      'create',
      'role',
      name,
      '--verb=create,list,watch,get,patch,delete',
      '--resource=jobs.batch',
      ...inNamespace,
    )
    await kubectl(
      'create',
      'rolebinding',
      name,
      `--role=${name}`,
      `--serviceaccount=${platform.namespace}:${name}`,
      ...inNamespace,
    )
    const token = (await kubectl('create', 'token', name, ...inNamespace)).trim()
    const kubeconfig = join(folder, 'poor.conf')
    const text = await readFile(testKubeconfig(), 'utf8')
    await writeFile(kubeconfig, text.replace(/user: \{client-certificate.*\}\}\]/, `user: {token: "${token}"}}]`))
    platform.set('SCIENCE_PLATFORM_KUBERNETES_KUBECONFIG', kubeconfig)
    await assert.rejects(platform.start(), (error: Error) => {
      assert.match(error.message, new RegExp(`get pods/log in the namespace ${platform.namespace}`))
      assert.match(error.message, /list nodes in all namespaces/)
      assert.doesNotMatch(error.message, /jobs\.batch/)
      assert.ok(!error.message.includes(token))
      return true
    })
    platform.set('SCIENCE_PLATFORM_KUBERNETES_KUBECONFIG', testKubeconfig())
  })
})

/** Passes connections on to the API server, until it is told to let those that there are fall silent. */
class Way {
  readonly #server = createServer((client) => {
    const target = connect(6443, '127.0.0.1')
    this.#sockets.push(client, target)
    for (const socket of [client, target]) socket.on('error', () => undefined)
    client.pipe(target)
    target.pipe(client)
    client.on('close', () => target.destroy())
    target.on('close', () => client.destroy())
  })
  readonly #sockets: Socket[] = []

  static async open(): Promise<Way> {
    const way = new Way()
    await new Promise<void>((resolve) => way.#server.listen(0, '127.0.0.1', resolve))
    return way
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** What is said on the connections that there are reaches nobody any more, as with a router that forgot them. */
  freeze(): void {
    for (const socket of this.#sockets) {
      socket.unpipe()
      socket.pause()
    }
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
