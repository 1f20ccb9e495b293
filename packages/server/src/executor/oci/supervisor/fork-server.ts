import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Architecture } from '../container/machine.ts'

const program = fileURLToPath(new URL('supervise.pl', import.meta.url))

/** How a supervisor ended. */
export interface SupervisorExit {
  /** Its exit code; absent when a signal ended it, or when it is not known. */
  readonly code?: number
  /** Why it could not be started. */
  readonly failure?: string
  /** The fork server was killed: only the attempt's folder says whether the supervisor lives, or was ever forked. */
  readonly unknown?: true
}

/**
 * Forks one supervisor per attempt from a small pre-loaded process. Forking the server itself costs 6 ms for its many pages, and
 * starting Perl 5 ms. Supervisors have sessions of their own and outlive both; the fork server ends with this server.
 */
export class ForkServer {
  readonly #architecture: Architecture
  readonly #cgroupFolders: readonly string[]
  readonly #stderr: number
  readonly #waiting = new Map<number, (exit: SupervisorExit) => void>()
  #process: ChildProcess | undefined
  #number = 0

  /**
   * @param cgroupFolders control groups that the fork server and all supervisors move to
   * @param stderr file descriptor for unexpected messages; supervisors write their failures to their folders.
   */
  constructor(architecture: Architecture, cgroupFolders: readonly string[], stderr: number) {
    this.#architecture = architecture
    this.#cgroupFolders = cgroupFolders
    this.#stderr = stderr
  }

  /**
   * Runs the supervisor of the attempt in a folder, or with `clean` one that cleans up after a killed supervisor. Resolves when it has
   * ended.
   *
   * @param input what `run` reads, see `launchInput`.
   */
  fork(mode: 'run' | 'clean', folder: string, input = ''): Promise<SupervisorExit> {
    return this.#order(mode, folder, input)
  }

  /**
   * Moves the log out of the folder of an ended attempt and removes the folder: one process does it in 30 µs, where three file system calls
   * cost this one ten times as much. False when more than the journal is left in it, or when it is not known.
   */
  async forget(folder: string, keptLog: string): Promise<boolean> {
    return (await this.#order('forget', folder, keptLog)).code === 0
  }

  #order(mode: 'run' | 'clean' | 'forget', folder: string, input: string): Promise<SupervisorExit> {
    return new Promise((resolve) => {
      const number = ++this.#number
      this.#waiting.set(number, resolve)
      this.#process ??= this.#start()
      this.#process.stdin?.write(`${number} ${mode} ${Buffer.byteLength(input)} ${folder}\n${input}`)
    })
  }

  /** Ends the fork server. Supervisors that run go on, and their ends are not reported. */
  async close(): Promise<void> {
    this.#waiting.clear()
    const forkServer = this.#process
    if (forkServer === undefined) return
    forkServer.ref()
    const exit = once(forkServer, 'exit')
    forkServer.stdin?.end()
    if (forkServer.exitCode === null && forkServer.signalCode === null) await exit
  }

  #start(): ChildProcess {
    const forkServer = spawn('perl', ['-w', program, 'fork-server', this.#architecture, ...this.#cgroupFolders], {
      cwd: '/',
      detached: true,
      env: {
        // Nothing of the server's environment: it may hold secrets, and locales would change messages that are matched.
        PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
        LC_ALL: 'C',
        // Room for the supervisors' names in the list of processes, which Perl writes over arguments and environment.
        SUPERVISOR_NAME: ' '.repeat(512),
      },
      stdio: ['pipe', 'pipe', this.#stderr],
    })
    forkServer.unref()
    let rest = ''
    forkServer.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#onExit(line)
    })
    forkServer.once('error', (error) => {
      this.#onDeath(forkServer, { failure: error.message })
    })
    forkServer.once('exit', () => {
      this.#onDeath(forkServer, { unknown: true })
    })
    // 'exit' reports its end; a write after that fails and says nothing new.
    forkServer.stdin?.on('error', () => undefined)
    return forkServer
  }

  /** A line `NUMBER STATUS`: the status of waitpid(2), or -1 when fork(2) failed. */
  #onExit(line: string): void {
    const [number = 0, status = 0] = line.split(' ').map(Number)
    const settle = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (status < 0) settle?.({ failure: 'the system has no room for another process' })
    else settle?.((status & 0x7f) === 0 ? { code: status >> 8 } : {})
  }

  #onDeath(forkServer: ChildProcess, exit: SupervisorExit): void {
    if (this.#process !== forkServer) return
    this.#process = undefined
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const settle of waiting) settle(exit)
  }
}
