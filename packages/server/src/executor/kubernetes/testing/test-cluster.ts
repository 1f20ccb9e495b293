import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { V1Namespace } from '@kubernetes/client-node'
import { pino } from 'pino'
import { busyboxImage } from '../../../image/testing/busybox-image.ts'
import { runTool } from '../../../lib/tool.ts'
import type { Account } from '../../account.ts'
import type { Executor, Ownership } from '../../executor.ts'
import { createKubernetesExecutor } from '../kubernetes.ts'
import type { KubernetesOptions } from '../settings.ts'
import type { KubernetesApi } from '../api/api-client.ts'
import { identitySource, type IdentitySource } from '../credentials/kubeconfig.ts'
import { adminApi } from './admin-api.ts'
import { printReference, requireReference } from '../../../job/image-reference.ts'

/** The registry that the nodes of the test cluster pull from (scripts/test-cluster starts it). */
export const clusterRegistry = '127.0.0.1:5000'
/** The image that most tests run, as their jobs write it. */
export const busybox = requireReference(`${clusterRegistry}/test/busybox:1`)

/** Times each core of the test cluster is offered: suites that run side by side share one node (scripts/run). */
export const clusterOvercommit = Number(process.env['TEST_OVERCOMMIT'] ?? 2)

/** An account that exists on no machine: no file of others belongs to it. */
export const ada: Account = {
  name: 'ada',
  uid: 52_001,
  gid: 52_001,
  groups: [
    { name: 'stars', gid: 53_001 },
    { name: 'comets', gid: 53_002 },
  ],
}

/** Has a record of every attempt. */
export const ownAll: Ownership = {
  identity: 'a1b2c3d4-0000-4000-8000-000000000000',
  recorded: (ids) => Promise.resolve(new Set(ids)),
}

/** Why no test can run on a real cluster; undefined where one can. */
export const whyNoCluster = (): string | undefined =>
  process.env['TEST_KUBECONFIG'] === undefined
    ? 'there is no test cluster: EXECUTOR=kubernetes npm run e2e starts one'
    : undefined

/** A namespace of the real test cluster with a platform's data folder, and executors on it. */
export class TestCluster {
  readonly namespace: string
  readonly folder: string
  readonly api: KubernetesApi
  readonly #identity: IdentitySource
  executor: Executor
  readonly #options: Partial<KubernetesOptions>
  readonly #signal = AbortSignal.timeout(3_600_000)

  private constructor(
    folder: string,
    options: Partial<KubernetesOptions>,
    { api, identity }: { readonly api: KubernetesApi; readonly identity: IdentitySource },
  ) {
    this.folder = folder
    this.api = api
    this.#identity = identity
    this.namespace = `test-${folder
      .slice(-6)
      .toLowerCase()
      .replaceAll(/[^a-z0-9]/g, '0')}`
    this.#options = options
    this.executor = this.#make()
  }

  static async open(options: Partial<KubernetesOptions> = {}): Promise<TestCluster> {
    const access = { api: await adminApi(), identity: await identitySource(process.env['TEST_KUBECONFIG']) }
    const cluster = new TestCluster(await mkdtemp(join(tmpdir(), 'kubernetes-test-')), options, access)
    const { folder } = cluster
    for (const path of ['data', 'home', 'projects']) await mkdir(join(folder, path))
    const namespace: V1Namespace = { metadata: { name: cluster.namespace } }
    await cluster.api.create('/api/v1/namespaces', namespace, cluster.#signal)
    await pushBusybox(folder)
    await cluster.executor.open()
    return cluster
  }

  #make(): Executor {
    return createKubernetesExecutor({
      identity: this.#identity,
      namespace: this.namespace,
      instance: 'test',
      dataDir: join(this.folder, 'data'),
      volumes: { home: { hostPath: join(this.folder, 'home') }, projects: { hostPath: join(this.folder, 'projects') } },
      homesFolder: join(this.folder, 'home'),
      scratchGb: { request: 0, limit: 2 },
      imagePullPolicy: 'Always',
      imageSeconds: 600,
      dnsPolicy: 'Default',
      nodeSelector: {},
      tolerations: [],
      overcommit: clusterOvercommit,
      gpuResource: 'nvidia.com/gpu',
      lossSeconds: 300,
      images: { registries: [clusterRegistry], aliases: {}, insecure: [clusterRegistry] },
      ownership: ownAll,
      onLeaseLost: assert.fail,
      usage: 'kubelet',
      log: pino({ level: process.env['LOG_LEVEL'] ?? 'silent' }),
      ...this.#options,
    })
  }

  /** Opens a second executor on the same data and cluster, after closing the first. */
  async reopen(): Promise<Executor> {
    await this.executor.close()
    this.executor = this.#make()
    await this.executor.open()
    return this.executor
  }

  /** Ends and removes all attempts. Fails where Jobs are left. */
  async close(): Promise<void> {
    const deadline = Date.now() + 60_000
    for (;;) {
      const attempts = await this.executor.list()
      if (attempts.length === 0 || Date.now() > deadline) break
      for (const { attemptId, phase } of attempts) {
        if (phase === 'ended') await this.executor.forget(attemptId)
        else await this.executor.stop(attemptId, 0)
      }
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    const left = await this.#left()
    await this.executor.close()
    await this.api.delete(`/api/v1/namespaces/${this.namespace}`, undefined, this.#signal)
    await rm(this.folder, { recursive: true, force: true })
    this.api.close()
    if (left.length > 0) throw new Error(`these objects are left: ${left.join(', ')}`)
  }

  /** The Jobs that are left in the namespace after 30 s. */
  async #left(): Promise<string[]> {
    type Named = { metadata: { name: string } }
    const path = `/apis/batch/v1/namespaces/${this.namespace}/jobs`
    for (const deadline = Date.now() + 30_000; ;) {
      const { items } = await this.api.get<{ items: Named[] }>(path, { signal: this.#signal })
      if (items.length === 0 || Date.now() > deadline) return items.map(({ metadata }) => `Job ${metadata.name}`)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

let pushed: Promise<void> | undefined

/** Pushes the test image to the registry of the nodes, once per process. */
function pushBusybox(folder: string): Promise<void> {
  pushed ??= (async () => {
    const archive = join(folder, 'busybox.tar')
    await busyboxImage({ archive })
    const options = ['copy', '--quiet', '--insecure-policy', '--dest-tls-verify=false']
    await runTool('skopeo', [...options, `oci-archive:${archive}`, `docker://${printReference(busybox)}`])
  })()
  return pushed
}

/** A server that accepts connections and never answers: a registry from which a pull never ends. */
export async function silentServer(): Promise<{ host: string; close: () => void }> {
  const server = createServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close()
    },
  }
}
