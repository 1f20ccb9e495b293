import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Architecture } from '../container/machine.ts'

const program = fileURLToPath(new URL('supervise.pl', import.meta.url))

/** How a supervisor ended. */
export interface SupervisorExit {
  /** Its exit code; absent when a signal ended it, or nobody knows. */
  readonly code?: number
  /** Why it could not be started. */
  readonly failure?: string
  /** The forkServer was killed: whether the supervisor lives, or ever did, the attempt's folder must tell. */
  readonly unknown?: true
}

/**
 * Brings supervisors into the world: one small Perl process of this server, which forks itself for each. Forking the server
 * costs 6 ms of its time for the pages it has, and starting Perl anew another 5 ms. Supervisors have sessions of their own
 * and outlive both; the forkServer ends with the server.
 */
export class ForkServer {
  readonly #architecture: Architecture
  readonly #stderr: number
  readonly #waiting = new Map<number, (exit: SupervisorExit) => void>()
  #process: ChildProcess | undefined
  #number = 0

  /** @param stderr file descriptor for what should not be: supervisors' own failures are in their folders. */
  constructor(architecture: Architecture, stderr: number) {
    this.#architecture = architecture
    this.#stderr = stderr
  }

  /** Starts the supervisor of the attempt in a folder, or with `clean` what does away with the rest of a killed one. Settles when it has ended. */
  fork(mode: 'run' | 'clean', folder: string): Promise<SupervisorExit> {
    return new Promise((resolve) => {
      const number = ++this.#number
      this.#waiting.set(number, resolve)
      this.#process ??= this.#start()
      this.#process.stdin?.write(`${number} ${mode} ${folder}\n`)
    })
  }

  /** Starts no more supervisors. Those there are live on, and nobody is told of their end. */
  close(): void {
    this.#waiting.clear()
    this.#process?.stdin?.end()
  }

  #start(): ChildProcess {
    const forkServer = spawn('perl', ['-w', program, 'fork-server', this.#architecture], {
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
    let said = ''
    forkServer.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const lines = said.split('\n')
      said = lines.pop() ?? ''
      for (const line of lines) this.#told(line)
    })
    forkServer.once('error', (error) => {
      this.#lost(forkServer, { failure: error.message })
    })
    forkServer.once('exit', () => {
      this.#lost(forkServer, { unknown: true })
    })
    // Its end is told by 'exit'; a write that comes too late says nothing new.
    forkServer.stdin?.on('error', () => undefined)
    return forkServer
  }

  /** `NUMBER STATUS`, the status as waitpid(2) gives it; -1: there was no process to be had. */
  #told(line: string): void {
    const [number = 0, status = 0] = line.split(' ').map(Number)
    const settle = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (status < 0) settle?.({ failure: 'no process could be made' })
    else settle?.((status & 0x7f) === 0 ? { code: status >> 8 } : {})
  }

  #lost(forkServer: ChildProcess, exit: SupervisorExit): void {
    if (this.#process !== forkServer) return
    this.#process = undefined
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const settle of waiting) settle(exit)
  }
}
