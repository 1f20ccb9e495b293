import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { PreparedImage } from '../../../image/store/local-images.ts'
import type { Account } from '../../account.ts'
import type { ExecutorEvent } from '../../executor.ts'
import { createOciExecutor, type OciExecutor, type OciExecutorOptions } from '../oci.ts'
import { fixedImages, makeBusyboxRoot } from './busybox-root.ts'

/** An account of no machine, so that nothing else belongs to it. */
export const ada: Account = {
  name: 'ada',
  uid: 52_001,
  gid: 52_001,
  groups: [
    { name: 'stars', gid: 53_001 },
    { name: 'comets', gid: 53_002 },
  ],
}

/** A platform's data folder with an image, and executors on it. */
export class OciUnderTest {
  readonly folder: string
  readonly dataDir: string
  /** The image's root. */
  readonly rootfs: string
  readonly instance: string
  executor: OciExecutor
  readonly #options: Partial<OciExecutorOptions>
  readonly #image: Partial<PreparedImage>

  private constructor(folder: string, options: Partial<OciExecutorOptions>, image: Partial<PreparedImage>) {
    this.folder = folder
    this.dataDir = options.dataDir ?? join(folder, 'data')
    this.rootfs = join(folder, 'root')
    this.instance = folder.slice(-6).toLowerCase()
    this.#options = options
    this.#image = image
    this.executor = this.make()
  }

  static async open(
    options: Partial<OciExecutorOptions> = {},
    image: Partial<PreparedImage> = {},
  ): Promise<OciUnderTest> {
    const folder = await mkdtemp(join(tmpdir(), 'oci-test-'))
    const made = new OciUnderTest(folder, options, image)
    await makeBusyboxRoot(made.rootfs)
    await made.executor.open()
    return made
  }

  /** An executor on the folder, not open yet. */
  make(changes: Partial<OciExecutorOptions> = {}): OciExecutor {
    return createOciExecutor({
      dataDir: this.dataDir,
      instance: this.instance,
      capacity: { cores: 2, memoryGb: 4, gpus: 0 },
      images: fixedImages(this.rootfs, this.#image),
      log: pino({ level: process.env['LOG_LEVEL'] ?? 'silent' }),
      ...this.#options,
      ...changes,
    })
  }

  /** A second server on the same folder, after the first one has closed. */
  async reopen(
    changes: Partial<OciExecutorOptions> = {},
    onEvent: (event: ExecutorEvent) => void = () => undefined,
  ): Promise<OciExecutor> {
    await this.executor.close()
    this.executor = this.make(changes)
    this.executor.onEvent(onEvent)
    await this.executor.open()
    return this.executor
  }

  attemptFolder(attemptId: string): string {
    return join(this.dataDir, 'attempts', attemptId)
  }

  /** Pid of an attempt's supervisor. */
  supervisorPid(attemptId: string): number {
    const [path] = ['launched', 'started', 'prepared', 'ended']
      .map((stage) => join(this.attemptFolder(attemptId), stage))
      .filter(existsSync)
    const pid = /^supervisor (\d+)/m.exec(readFileSync(path ?? '', 'utf8'))?.[1]
    if (pid === undefined) throw new Error(`${attemptId} has no supervisor`)
    return Number(pid)
  }

  /** Pid, on this machine, of the first process of an attempt's container. */
  containerPid(attemptId: string): number {
    return Number(readFileSync(join(this.attemptFolder(attemptId), 'init.pid'), 'utf8'))
  }

  /** Pid of this process's forkServer of supervisors. */
  forkServerPid(): number | undefined {
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
    return children.map(Number).find((pid) => readQuietly(`/proc/${pid}/cmdline`).includes('\0fork-server\0'))
  }

  /** What is left on the machine of all attempts: supervisors, control groups with something in them, mounts. */
  remains(): string[] {
    const processes = globSync('/proc/[0-9]*/cmdline').flatMap((file) => {
      const line = existsSync(file) ? readQuietly(file) : ''
      return line.includes(`${this.dataDir}/attempts`) ? [`process ${line.replaceAll('\0', ' ').trim()}`] : []
    })
    const cgroups = globSync(`/sys/fs/cgroup/{,*/}science-platform-${this.instance}/*/`).map((path) => `cgroup ${path}`)
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(`${this.dataDir}/`))
      .map((line) => `mount ${line}`)
    return [...processes, ...cgroups, ...mounts]
  }

  /** Waits until nothing is left of attempts that have ended but their folders with journal and log. */
  async tidy(): Promise<void> {
    const deadline = Date.now() + 30_000
    for (;;) {
      const folders = await Promise.all(
        (await readdir(join(this.dataDir, 'attempts'))).map(async (id) => {
          const names = await readdir(this.attemptFolder(id)).catch(() => [])
          return names.filter((name) => name !== 'cleaned' && name !== 'log').map((name) => `file ${id}/${name}`)
        }),
      )
      const scratch = (await readdir(join(this.dataDir, 'scratch'))).map((id) => `scratch ${id}`)
      const remains = [...this.remains(), ...folders.flat(), ...scratch]
      if (remains.length === 0) return
      if (Date.now() > deadline) throw new Error(`still there:\n${remains.join('\n')}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Ends everything and removes it. Fails when something had to be ended by force. */
  async close(): Promise<void> {
    for (const { attemptId, phase } of await this.executor.list())
      if (phase !== 'ended') await this.executor.stop(attemptId, 0)
    try {
      await this.tidy()
    } finally {
      await this.executor.close()
      await rm(this.folder, { recursive: true, force: true })
    }
    const cgroups = globSync(`/sys/fs/cgroup/{,*/}science-platform-${this.instance}{,-supervisors}/`)
    if (cgroups.length > 0) throw new Error(`still there: ${cgroups.join(', ')}`)
  }
}

/** A process may be gone between being listed and being read. */
function readQuietly(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return ''
    throw error
  }
}

/** Why containers cannot be run here; undefined when they can. */
export function whyNoContainers(): string | undefined {
  for (const program of ['runc', 'perl', '/bin/busybox'])
    try {
      execFileSync('/bin/sh', ['-c', `command -v ${program}`])
    } catch {
      return `${program} is not installed`
    }
  if (process.geteuid?.() === 0) return undefined
  try {
    execFileSync('unshare', ['-Urm', 'true'], { stdio: 'ignore' })
  } catch {
    return 'users may not make user namespaces on this machine'
  }
  return undefined
}

/** Why what only root can do cannot be tested here. */
export const whyNotAsRoot = (): string | undefined =>
  process.geteuid?.() === 0 ? whyNoContainers() : 'this needs root'
