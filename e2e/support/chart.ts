import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../..', import.meta.url))
const chartFolder = join(repository, 'charts/science-platform')

/** Helm with the platform's chart, and values in a file. */
export class Chart {
  readonly #helm: string
  readonly #valuesFile: string

  private constructor(helm: string, folder: string) {
    this.#helm = helm
    this.#valuesFile = join(folder, 'values.json')
  }

  /** Builds Helm if it is missing. */
  static async open(folder: string): Promise<Chart> {
    return new Chart((await run(join(repository, 'scripts/go-program'), ['helm'])).stdout.trim(), folder)
  }

  /**
   * Runs a Helm command on the chart, such as `lint --strict` or `install NAME`, and returns its output.
   *
   * @throws if the exit code is not 0; `stderr` of the error has the reason.
   */
  async helm(words: readonly string[], values: object, options: readonly string[] = []): Promise<string> {
    return this.#run([...words, chartFolder, '--values', await this.#write(values), ...options])
  }

  /**
   * Runs the command line of a page that begins with these words, with this chart and these values in place of those of the page.
   * Returns its output.
   *
   * @param page Path in the repository.
   * @param instead replacements for other words of the line
   */
  async asDocumented(
    page: string,
    begin: string,
    values: object,
    instead: Readonly<Record<string, string>>,
    options: readonly string[],
  ): Promise<string> {
    const lines = (await readFile(join(repository, page), 'utf8')).split('\n').map((line) => line.trim())
    const [line, ...others] = lines.filter((one) => one.startsWith(`${begin} `))
    if (line === undefined || others.length > 0)
      throw new Error(`${page} has ${others.length} lines of ${begin}, not one.`)
    const places = { ...instead, 'charts/science-platform': chartFolder, 'values.yaml': await this.#write(values) }
    const words = line.split(' ').map((word) => (places as Readonly<Record<string, string>>)[word] ?? word)
    return this.#run([...words.slice(1), ...options])
  }

  async #write(values: object): Promise<string> {
    await writeFile(this.#valuesFile, JSON.stringify(values))
    return this.#valuesFile
  }

  async #run(words: readonly string[]): Promise<string> {
    return (await run(this.#helm, words, { maxBuffer: 64 * 2 ** 20 })).stdout
  }

  /** Removes an installation, as `helm uninstall` does. */
  async uninstall(name: string, options: readonly string[]): Promise<void> {
    await this.#run(['uninstall', name, ...options])
  }
}

/** Values that set every key of the chart, with claims as volumes. */
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
  backup: { enabled: true, claim: 'backups', logs: true },
  sealKey: { existingSecret: 'seal' },
  nodeSelector: { pool: 'system' },
}
