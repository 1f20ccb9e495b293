import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { promisify } from 'node:util'

const execFileAsync = promisify(execFile)

/** Runs a program to its end and returns its output. @throws with the last lines of its output. */
export async function run(program: string, args: readonly string[], env?: Record<string, string>): Promise<string> {
  const { stdout } = await execFileAsync(program, args, {
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C', ...env },
  })
  return stdout
}

/** Whether a program is installed. */
export async function isInstalled(program: string): Promise<boolean> {
  return execFileAsync('sh', ['-c', 'command -v "$0"', program]).then(
    () => true,
    () => false,
  )
}

/** A server that was started for the benchmark. */
export interface Daemon {
  readonly pid: number
  /** Ends it: SIGTERM, then SIGKILL after 20 seconds. */
  stop(): Promise<void>
}

/** Starts a server with its output in a file. It must stay in the foreground. */
export function startDaemon(
  program: string,
  args: readonly string[],
  logFile: string,
  env: Readonly<Record<string, string>> = {},
): Daemon {
  const log = openSync(logFile, 'a')
  const child: ChildProcess = spawn(program, args, {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...env },
  })
  const ended = once(child, 'exit')
  // The caller that waits for an answer notices an early end of the server. The log has the reason.
  ended.catch(() => undefined)
  if (child.pid === undefined) throw new Error(`${program} could not be started`)
  return {
    pid: child.pid,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      const kill = setTimeout(() => child.kill('SIGKILL'), 20_000)
      await ended
      clearTimeout(kill)
    },
  }
}

/** Polls every few milliseconds until a result is defined. @throws naming `what` after the timeout. */
export async function until<T>(what: string, seconds: number, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
