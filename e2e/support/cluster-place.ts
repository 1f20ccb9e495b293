import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { clusterOvercommit } from '../../packages/server/src/executor/kubernetes/testing/test-cluster.ts'
import { pushImage } from '../../packages/server/src/image/testing/registry.ts'

const run = promisify(execFile)

/** The registry that the nodes of the test cluster fetch from (scripts/test-cluster). */
export const clusterRegistry = '127.0.0.1:5000'

/** The kubeconfig of the test cluster's administrator. */
export const testKubeconfig = (): string => {
  const path = process.env['TEST_KUBECONFIG']
  if (path === undefined)
    throw new Error('TEST_KUBECONFIG is not set. EXECUTOR=kubernetes npm run e2e starts a test cluster.')
  return path
}

/** The folder of the cluster's kubectl. */
export const kubectlFolder = (): string => join(dirname(testKubeconfig()), 'bin')

/** Runs the cluster's kubectl as its administrator and returns its output. */
export const kubectl = (...args: readonly string[]): Promise<string> => withInput('', args)

/** Applies objects. With `--dry-run=server` the API server only validates them. */
export async function applyObjects(items: readonly object[], ...options: readonly string[]): Promise<void> {
  await withInput(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }), ['apply', '-f', '-', ...options])
}

async function withInput(input: string, args: readonly string[]): Promise<string> {
  const program = join(kubectlFolder(), 'kubectl')
  const running = run(program, ['--kubeconfig', testKubeconfig(), '--request-timeout=30s', ...args], {
    timeout: 120_000,
    maxBuffer: 64 * 2 ** 20,
  })
  running.child.stdin?.end(input)
  return (await running).stdout
}

/** The part of the test cluster for one platform: a namespace, and a project of the registry. */
export class ClusterPlace {
  readonly namespace: string
  readonly #dataDir: string
  readonly #insecure: readonly string[]
  readonly #aliases: object

  private constructor(dataDir: string, namespace: string, settings: string) {
    this.#dataDir = dataDir
    this.namespace = namespace
    this.#insecure = [...new Set(settings.match(/127\.0\.0\.1:\d+/g))]
    // The environment variable replaces the whole table of the file.
    this.#aliases = (parse(settings) as { images?: { aliases?: object } } | null)?.images?.aliases ?? {}
  }

  /**
   * @param settings the platform's configuration in YAML. Registries of this machine in it are accessed over plain HTTP; its
   * aliases stay in effect.
   */
  static async make(dataDir: string, settings: string): Promise<ClusterPlace> {
    const namespace = `e2e-${Math.random().toString(36).slice(2, 10)}`
    for (const folder of ['home', 'projects']) await mkdir(join(dataDir, 'arc', folder), { recursive: true })
    await kubectl('create', 'namespace', namespace)
    return new ClusterPlace(dataDir, namespace, settings)
  }

  /** The platform's configuration, as environment variables. */
  settings(): Record<string, string> {
    const prefix = 'SCIENCE_PLATFORM_KUBERNETES'
    return {
      SCIENCE_PLATFORM_EXECUTOR: 'kubernetes',
      SCIENCE_PLATFORM_IMAGES_ALIASES: JSON.stringify({
        ...this.#aliases,
        localhost: `${clusterRegistry}/${this.namespace}`,
      }),
      SCIENCE_PLATFORM_IMAGES_INSECURE: [clusterRegistry, ...this.#insecure].join(','),
      [`${prefix}_KUBECONFIG`]: testKubeconfig(),
      [`${prefix}_NAMESPACE`]: this.namespace,
      [`${prefix}_VOLUMES_HOME_HOST_PATH`]: join(this.#dataDir, 'arc/home'),
      [`${prefix}_VOLUMES_PROJECTS_HOST_PATH`]: join(this.#dataDir, 'arc/projects'),
      [`${prefix}_VOLUMES_SCRATCH_GB`]: '2',
      [`${prefix}_HOMES_FOLDER`]: join(this.#dataDir, 'arc/home'),
      [`${prefix}_DNS_POLICY`]: 'Default',
      [`${prefix}_OVERCOMMIT`]: String(clusterOvercommit),
      [`${prefix}_USAGE`]: 'kubelet',
    }
  }

  /** Pushes an image to the registry, where the nodes find it for the reference `localhost/…` of jobs. */
  async push(archive: string, as: string): Promise<void> {
    await pushImage(archive, { host: clusterRegistry }, as.replace(/^localhost/, this.namespace))
  }

  /** Whether the namespace contains no Jobs and pods. */
  async isEmpty(): Promise<boolean> {
    return (await kubectl('get', 'jobs,pods', '-n', this.namespace, '-o', 'name')) === ''
  }

  async remove(): Promise<void> {
    await removeNamespace(this.namespace)
  }
}

/** Removes a namespace. Removes finalizers first, because no platform runs that would, and they also block draining of the node. */
export async function removeNamespace(namespace: string): Promise<void> {
  const left = (await kubectl('get', 'jobs,pods', '-n', namespace, '-o', 'name')).split('\n').filter(Boolean)
  for (const name of left)
    await kubectl('patch', name, '-n', namespace, '--type=merge', '-p', '{"metadata":{"finalizers":null}}').catch(
      (error: Error) => {
        // The pod may have been deleted with its Job meanwhile.
        if (!error.message.includes('NotFound')) throw error
      },
    )
  await kubectl('delete', 'namespace', namespace, '--wait=false', '--ignore-not-found')
}
