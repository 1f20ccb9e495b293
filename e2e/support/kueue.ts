import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { freePort } from '../../packages/server/src/lib/free-port.ts'
import { applyObjects, kubectl, testKubeconfig } from './cluster-place.ts'
import { eventually } from './eventually.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../..', import.meta.url))

/** The kinds whose webhooks are installed. Those of other frameworks would refuse every pod of the cluster. */
const kinds = ['clusterqueue', 'cohort', 'job', 'resourceflavor', 'workload']

/** The changed part of a webhook configuration. */
interface Webhooks {
  readonly metadata: { readonly name: string }
  readonly webhooks: readonly {
    readonly name: string
    readonly clientConfig: { readonly service: { readonly path: string } }
  }[]
}

/** A real Kueue for the test cluster: its controller beside the cluster's other processes, with its webhooks. */
export class Kueue implements AsyncDisposable {
  readonly #folder: string
  readonly #config: string
  readonly #program: string
  #controller: ChildProcess | undefined

  private constructor(folder: string, program: string) {
    this.#folder = folder
    this.#program = program
    this.#config = `${program}.config`
  }

  /** Builds Kueue if it is missing (some minutes), installs it, and starts it. */
  static async start(): Promise<Kueue> {
    const program = (await run(join(repository, 'scripts/go-program'), ['kueue'])).stdout.trim()
    const kueue = new Kueue(await mkdtemp(join(tmpdir(), 'sp-kueue-')), program)
    try {
      await kueue.#start()
    } catch (error) {
      await kueue[Symbol.asyncDispose]()
      throw error
    }
    return kueue
  }

  async #start(): Promise<void> {
    const [webhook, health] = [await freePort(), await freePort()]
    await kubectl('apply', '--server-side', '-f', join(this.#config, 'crd/bases'))
    await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s')
    const authority = await this.#makeCertificate()
    const configuration = {
      apiVersion: 'config.kueue.x-k8s.io/v1beta2',
      kind: 'Configuration',
      namespace: 'kueue-system',
      health: { healthProbeBindAddress: `127.0.0.1:${health}` },
      metrics: { bindAddress: '0' },
      webhook: { host: '127.0.0.1', port: webhook, certDir: join(this.#folder, 'certificate') },
      leaderElection: { leaderElect: false },
      internalCertManagement: { enable: false },
      integrations: { frameworks: ['batch/job'] },
    }
    const file = join(this.#folder, 'configuration.yaml')
    await writeFile(file, JSON.stringify(configuration))
    const log = openSync(join(this.#folder, 'log'), 'a')
    const words = ['--config', file, '--kubeconfig', testKubeconfig()]
    // Kueue always reads a certificate for its metrics from /etc, so it gets its own /etc.
    for (const name of ['upper', 'work']) await mkdir(join(this.#folder, name))
    const ownEtc = [
      'mount -t overlay overlay -o lowerdir=/etc,upperdir="$0/upper",workdir="$0/work" /etc',
      'mkdir -p /etc/kueue/metrics',
      'ln -s "$0/certificate" /etc/kueue/metrics/certs',
      'exec "$@"',
    ].join(' && ')
    const program = [this.#program, ...words, '--feature-gates=VisibilityOnDemand=false']
    this.#controller = spawn('unshare', ['--mount', 'sh', '-c', ownEtc, this.#folder, ...program], {
      stdio: ['ignore', log, log],
      cwd: this.#folder,
    })
    await eventually('Kueue to be ready', async () => {
      if (this.#controller?.exitCode !== null)
        throw new Error(`Kueue ended: ${(await readFile(join(this.#folder, 'log'), 'utf8')).slice(-2000)}`)
      return fetch(`http://127.0.0.1:${health}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
    })
    await applyObjects(await this.#webhooks(`https://127.0.0.1:${webhook}`, authority))
  }

  /** The certificate of the webhooks, and its authority for the API server. */
  async #makeCertificate(): Promise<string> {
    const folder = join(this.#folder, 'certificate')
    await mkdir(folder)
    const names = ['-subj', '/CN=kueue', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
    const files = ['-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt')]
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...names, ...files])
    return (await readFile(join(folder, 'tls.crt'))).toString('base64')
  }

  /** Kueue's webhooks with addresses on this machine instead of a Service. */
  async #webhooks(url: string, caBundle: string): Promise<object[]> {
    const text = await readFile(join(this.#config, 'webhook/manifests.yaml'), 'utf8')
    return parseAllDocuments(text).map((document) => {
      const { webhooks, metadata, ...rest } = document.toJS() as Webhooks
      return {
        ...rest,
        metadata: { name: `kueue-${metadata.name}` },
        webhooks: webhooks
          .filter(({ name }) => kinds.some((kind) => name.slice(1) === `${kind}.kb.io`))
          .map((one) => ({ ...one, clientConfig: { url: `${url}${one.clientConfig.service.path}`, caBundle } })),
      }
    })
  }

  /** Stops Kueue and removes its objects from the cluster. */
  async [Symbol.asyncDispose](): Promise<void> {
    const hooks = ['mutating-webhook-configuration', 'validating-webhook-configuration'] as const
    await kubectl('delete', 'mutatingwebhookconfiguration', `kueue-${hooks[0]}`, '--ignore-not-found')
    await kubectl('delete', 'validatingwebhookconfiguration', `kueue-${hooks[1]}`, '--ignore-not-found')
    // The controller still runs, because it must remove its finalizers.
    await kubectl('delete', '-f', join(this.#config, 'crd/bases'), '--ignore-not-found')
    if (this.#controller !== undefined && this.#controller.exitCode === null) {
      const ended = once(this.#controller, 'exit')
      this.#controller.kill('SIGTERM')
      await ended
    }
    await rm(this.#folder, { recursive: true, force: true })
  }
}
