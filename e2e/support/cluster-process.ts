import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { eventually } from './eventually.ts'
import { kubectl, testKubeconfig } from './cluster-place.ts'

const folder = (): string => dirname(testKubeconfig())

const stopped = new Set<ClusterProcess>()

/** Restarts what a failed test left stopped, so that later tests do not fail too. */
export async function mendCluster(): Promise<void> {
  for (const part of stopped) await part.start()
  await kubectl('uncordon', 'node-1')
  await nodeReady()
}

/** A process of the test cluster that can be stopped and restarted with the same arguments. */
export class ClusterProcess {
  readonly name: 'apiserver' | 'kubelet' | 'containerd' | 'controller-manager' | 'scheduler'
  #command: readonly string[] = []
  #environment: NodeJS.ProcessEnv = {}

  constructor(name: ClusterProcess['name']) {
    this.name = name
  }

  /** Stops the process and waits for its end. */
  async stop(): Promise<void> {
    const pid = Number(await readFile(this.#pidFile, 'utf8'))
    this.#command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').filter((word) => word !== '')
    const lines = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').filter((line) => line.includes('='))
    this.#environment = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
    process.kill(pid, 'SIGKILL')
    stopped.add(this)
    await eventually(`${this.name} to be gone`, async () => !(await isThere(pid)))
  }

  /** Starts the process with its old arguments, and optional further ones. */
  async start(more: readonly string[] = []): Promise<void> {
    const [program = '', ...args] = [...this.#command, ...more]
    const log = openSync(join(folder(), 'log', `${this.name}.log`), 'a')
    const child = spawn(program, args, {
      cwd: folder(),
      env: this.#environment,
      detached: true,
      stdio: ['ignore', log, log],
    })
    child.unref()
    stopped.delete(this)
    await writeFile(this.#pidFile, String(child.pid))
    if (this.name === 'apiserver')
      await eventually('the API server', () => kubectl('get', '--raw', '/readyz').catch(() => undefined))
  }

  get #pidFile(): string {
    return join(folder(), 'run', `${this.name}.pid`)
  }
}

/** Whether a process has a living thread: after the end of the main thread, another may still hold its ports. */
async function isThere(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const stats = threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => ''))
  return (await Promise.all(stats)).some((stat) => stat !== '' && !/\) [ZX] /.test(stat))
}

/** Waits until the node is ready. */
export const nodeReady = (): Promise<boolean> =>
  eventually(
    'the node to be ready',
    async () => {
      const [name, status] = (await kubectl('get', 'nodes', '--no-headers')).split(/\s+/)
      return name !== undefined && status === 'Ready'
    },
    120,
  ).then(() => true)
