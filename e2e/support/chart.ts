import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../..', import.meta.url))

/** Helm and the platform's chart, with values that are written to a file of a folder. */
export class Chart {
  readonly #helm: string
  readonly #valuesFile: string

  private constructor(helm: string, folder: string) {
    this.#helm = helm
    this.#valuesFile = join(folder, 'values.json')
  }

  /** Builds Helm where it is not there yet. */
  static async open(folder: string): Promise<Chart> {
    return new Chart((await run(join(repository, 'scripts/go-program'), ['helm'])).stdout.trim(), folder)
  }

  /**
   * Runs a command of Helm on the chart, such as `lint --strict` or `install NAME`; returns what it prints.
   *
   * @throws where it exits with another code than 0; `stderr` of the error says why.
   */
  async helm(words: readonly string[], values: object, options: readonly string[] = []): Promise<string> {
    await writeFile(this.#valuesFile, JSON.stringify(values))
    const chart = join(repository, 'charts/science-platform')
    const { stdout } = await run(this.#helm, [...words, chart, '--values', this.#valuesFile, ...options], {
      maxBuffer: 64 * 2 ** 20,
    })
    return stdout
  }

  /** Removes an installation, as `helm uninstall` does. */
  async uninstall(name: string, options: readonly string[]): Promise<void> {
    await run(this.#helm, ['uninstall', name, ...options])
  }
}

/** Values that fill in everything that the chart knows, for volumes that are claims. */
export const fullValues = {
  image: { repository: 'registry.example.org/science-platform', tag: '9' },
  imagePullSecrets: [{ name: 'pull' }],
  publicUrl: 'https://batch.example.org',
  jobs: {
    namespace: 'jobs',
    runtimeClass: 'gvisor',
    nodeSelector: { pool: 'batch' },
    tolerations: [{ key: 'batch', operator: 'Exists' }],
  },
  storage: { home: { claim: 'home' }, projects: { hostPath: '/arc/projects' } },
  data: { storageClass: 'fast', size: '10Gi' },
  kueue: { localQueue: 'science', priorityClasses: { small: 'high', large: 'low' } },
  config: { images: { registries: ['images.example.org'] }, retention: { logsDays: 30 }, executor: 'oci' },
  ingress: { enabled: true, className: 'nginx', tlsSecret: 'tls' },
  nodeSelector: { pool: 'system' },
}
