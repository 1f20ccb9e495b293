import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Jobs } from '@science-platform/client'
import { isEnded, type Job, type JobRequest } from '@science-platform/contract'
import { ClusterPlace } from './cluster-place.ts'
import { eventually } from './eventually.ts'
import { busyboxImage, type BusyboxImage } from '../../packages/server/src/image/testing/busybox-image.ts'

const run = promisify(execFile)

export { eventually }

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** The image that most tests run: busybox. */
export const testImage = 'localhost/test/busybox:1'

/** Whether jobs of this run are on the test cluster (`EXECUTOR=kubernetes`) instead of this machine. */
export const onKubernetes = process.env['EXECUTOR'] === 'kubernetes'

/** Further options of a platform. */
export interface PlatformParts {
  /** Mounts a disk as the data directory. Returns a function that unmounts it. */
  readonly mount?: (dataDir: string) => () => void
  /** The checkout of the program. @defaultValue this checkout */
  readonly checkout?: string
}

/** A platform as operators run it: the real program with its own data directory. */
export class Platform {
  readonly folder: string
  readonly dataDir: string
  readonly config: string
  /** The checkout of the program for the next command and the next start. */
  checkout = repository
  token = ''
  url = ''
  log = ''
  #server: ChildProcess | undefined
  #cluster: ClusterPlace | undefined
  readonly #variables: Record<string, string> = {}
  #unmount: () => void = () => undefined

  private constructor(folder: string) {
    this.folder = folder
    this.dataDir = join(folder, 'data')
    this.config = join(folder, 'config.yaml')
  }

  /** Creates a platform with a user and the test image, without starting it. @param settings YAML */
  static async make(
    settings = '',
    image: Partial<BusyboxImage> = {},
    { mount, checkout = repository }: PlatformParts = {},
  ): Promise<Platform> {
    const platform = new Platform(await mkdtemp(join(tmpdir(), 'sp-e2e-')))
    platform.checkout = checkout
    await mkdir(platform.dataDir)
    if (mount !== undefined) platform.#unmount = mount(platform.dataDir)
    if (onKubernetes) platform.#cluster = await ClusterPlace.make(platform.dataDir, settings)
    await writeFile(platform.config, `dataDir: ${platform.dataDir}\nlisten: 127.0.0.1:0\n${settings}`)
    await platform.admin('user', 'add', 'ada', '--group', 'survey')
    platform.token = await platform.admin('token', 'create', 'ada')
    await platform.load(testImage, image)
    return platform
  }

  /** Runs an administrative command and returns its output. */
  async admin(...args: string[]): Promise<string> {
    const { stdout } = await run(this.#program, [...args, '--config', this.config], { env: this.#environment() })
    return stdout.trim()
  }

  /** Loads a busybox image into the local store. */
  async load(as: string, image: Partial<BusyboxImage> = {}): Promise<void> {
    const archive = join(this.folder, `image-${Date.now()}.tar`)
    await busyboxImage({ ...image, archive })
    await this.loadArchive(archive, as)
    await rm(archive)
  }

  /** Loads an OCI archive into the local store. */
  async loadArchive(archive: string, as: string): Promise<void> {
    await this.admin('image', 'load', archive, '--as', as)
    await this.#cluster?.push(archive, as)
  }

  /** Starts the server and waits until it listens. Later starts use the same address. */
  async start(): Promise<void> {
    const args = ['serve', '--config', this.config, ...(this.url === '' ? [] : ['--listen', new URL(this.url).host])]
    const server = spawn(this.#program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: this.#environment(),
    })
    this.#server = server
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.log += text
    })
    this.url = await new Promise<string>((resolve, reject) => {
      let said = ''
      server.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const url = /listening on (http:\S+)/.exec(said)?.[1]
        if (url !== undefined) resolve(url)
      })
      server.once('exit', (code) => {
        reject(new Error(`serve exited with ${code}: ${this.log}`))
      })
    })
  }

  /** Stops the server with SIGTERM like an operator, or SIGKILL like a crash. Jobs continue. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<number | null> {
    const server = this.#server
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return null
    const exited = once(server, 'exit')
    server.kill(signal)
    const [code] = (await exited) as [number | null]
    return code
  }

  /** Sets an environment variable of the program. */
  set(name: string, value: string): void {
    this.#variables[name] = value
  }

  get #program(): string {
    return join(this.checkout, 'bin/science-platform')
  }

  #environment(): NodeJS.ProcessEnv {
    return { ...process.env, ...this.#cluster?.settings(), ...this.#variables }
  }

  /** The namespace of the jobs on the test cluster. */
  get namespace(): string {
    return this.#cluster?.namespace ?? ''
  }

  get serverPid(): number {
    return this.#server?.pid ?? 0
  }

  /** Cancels active jobs, stops everything and removes all files. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#server !== undefined) await this.#endJobs()
    } finally {
      // Also when a job does not end, because a running server would keep the test process alive.
      await this.stop()
      await this.#cluster?.remove()
      this.#unmount()
      await rm(this.folder, { recursive: true, force: true })
    }
  }

  async #endJobs(): Promise<void> {
    if (this.#server?.exitCode !== null || this.#server.signalCode !== null) await this.start()
    const jobs = this.jobs()
    for await (const job of jobs.listAll({ state: 'held,queued,starting,running', limit: 1000 }))
      await jobs.cancel(job.id)
    await eventually(
      'every job to have ended',
      async () => (await jobs.list({ state: 'held,queued,starting,running,stopping', limit: 1 })).jobs.length === 0,
    )
    await eventually('every supervisor to be gone', async () => (await this.processes()).length === 0)
    await eventually('every object of a job to be gone', async () => (await this.#cluster?.isEmpty()) ?? true)
  }

  jobs(token = this.token): Jobs {
    return new Jobs({ url: this.url, token })
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${this.token}`, ...(init.headers as Record<string, string>) },
    })
  }

  /** Submits a job that runs a shell line. */
  async submit(line: string, request: Partial<JobRequest> = {}): Promise<string> {
    const { ids } = await this.jobs().submit({
      name: 'test',
      image: testImage,
      cmd: 'sh',
      args: ['-c', line],
      ...request,
    })
    const [id] = ids
    if (id === undefined) throw new Error('no id came back')
    return id
  }

  /** Cancels all active jobs and waits for their ends. */
  async cancelAll(): Promise<void> {
    const { jobs } = await this.jobs().list({ state: 'queued,starting,running,stopping', limit: 100 })
    for (const { id } of jobs) await this.jobs().cancel(id)
    await this.jobs().wait(jobs.map(({ id }) => id))
  }

  /** Waits for a job to end. */
  async ended(id: string, withinMs = 300_000): Promise<Job> {
    const [job] = await this.jobs().wait([id], { signal: AbortSignal.timeout(withinMs) })
    if (job === undefined || !isEnded(job.state)) throw new Error(`job ${id} did not end`)
    return job
  }

  /** Submits a shell line, waits for its end, and returns the job with its log. */
  async run(line: string, request: Partial<JobRequest> = {}): Promise<{ job: Job; log: string }> {
    const job = await this.ended(await this.submit(line, request))
    return { job, log: await this.logOf(job.id) }
  }

  async logOf(id: string): Promise<string> {
    return (await this.fetch(`/api/v1/jobs/${id}/logs`)).text()
  }

  /** Waits until a job is in a state. */
  becomes(id: string, state: Job['state']): Promise<Job> {
    return eventually(`job ${id} to be ${state}`, async () => {
      const job = await this.jobs().get(id)
      if (isEnded(job.state) && job.state !== state) throw new Error(`job ${id} is ${job.state}: ${job.cause?.message}`)
      return job.state === state ? job : undefined
    })
  }

  /** The mounts and processes with this platform's data directory, without the server. */
  async mounts(): Promise<string[]> {
    const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
    return lines.filter((line) => line.includes(this.dataDir))
  }

  async processes(): Promise<string[]> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== this.serverPid)
    const lines = await Promise.all(
      pids.map(async (pid) => {
        const line = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')
        return `${pid} ${line}`
      }),
    )
    return lines.filter((line) => line.includes(`${this.dataDir}/attempts`))
  }

  /** The environment of `canfar` for this platform, with an own home. */
  async userEnvironment(): Promise<NodeJS.ProcessEnv> {
    const home = join(this.folder, 'home')
    await mkdir(home, { recursive: true })
    return {
      PATH: process.env.PATH,
      HOME: home,
      CANFAR_URL: `${this.url}/skaha/v1`,
      CANFAR_TOKEN: this.token,
      COLUMNS: '80',
    }
  }
}
