import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The result of a run of `canfar`. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A run in progress. */
export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ran>
  /** Resolves when stdout and stderr together hold the text. */
  readonly said: (text: string) => Promise<void>
}

/** Starts `canfar` as a process with a home folder and without the caller's environment. For tests only. */
export function startCanfar(home: string, words: readonly string[], environment: Record<string, string> = {}): Running {
  return run(process.execPath, [main, ...words], home, environment)
}

/** Runs a line of a shell in which `canfar` is the program, to its end: for redirections and bytes of any kind. */
export function runShell(home: string, line: string, environment: Record<string, string> = {}): Promise<Ran> {
  const script = `canfar() { "$NODE" "$MAIN" "$@"; }\n${line}`
  const { child, ended } = run('/bin/sh', ['-c', script], home, { NODE: process.execPath, MAIN: main, ...environment })
  child.stdin?.end()
  return ended
}

const main = fileURLToPath(new URL('../main.ts', import.meta.url))
// Like the launcher: a start takes a third of the time with the cache.
const cache = fileURLToPath(new URL('../../../../node_modules/.cache/canfar', import.meta.url))

function run(program: string, words: readonly string[], home: string, environment: Record<string, string>): Running {
  const child = spawn(program, words, {
    env: { PATH: process.env['PATH'] ?? '', HOME: home, NODE_COMPILE_CACHE: cache, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  const watchers = new Set<() => void>()
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
      for (const watcher of watchers) watcher()
    })
  const ended = once(child, 'close').then(([code]): Ran => ({ code: code as number | null, ...output }))
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if ((output.stdout + output.stderr).includes(text)) resolve()
      }
      watchers.add(look)
      ended.then(() => {
        reject(new Error(`canfar ended without printing '${text}': ${JSON.stringify(output)}`))
      }, reject)
      look()
    })
  return { child, ended, said }
}

/** Runs `canfar` to its end. `input` is its stdin. */
export function runCanfar(
  home: string,
  words: readonly string[],
  { input = '', environment = {} }: { input?: string; environment?: Record<string, string> } = {},
): Promise<Ran> {
  const { child, ended } = startCanfar(home, words, environment)
  child.stdin?.end(input)
  return ended
}
