import { spawn } from 'node:child_process'

/** Bytes of standard error that are retained, from its end. */
const stderrLimit = 16_384

/** Options of {@link runTool}. */
export interface ToolOptions {
  /** Kills the tool with SIGKILL. The promise then rejects with the signal's reason, after the tool has exited. */
  readonly signal?: AbortSignal
  /** Bytes written to its standard input. Default: none. */
  readonly input?: string
  /** Variables in addition to {@link toolEnvironment}. */
  readonly env?: Readonly<Record<string, string>>
  /** Maximum bytes of output; more is an error. Default: 16 MiB. */
  readonly outputLimit?: number
}

/** Thrown when a tool could not be run or exited with another code than 0. */
export class ToolError extends Error {
  override readonly name = 'ToolError'
  readonly program: string
  /** Absent when a signal ended the tool, or when it never ran. */
  readonly exitCode: number | undefined
  /** The end of its standard error, trimmed. */
  readonly stderr: string

  constructor(program: string, outcome: string, exitCode: number | undefined, stderr: string) {
    super(`${program} ${outcome}${stderr === '' ? '' : `: ${stderr}`}`)
    this.program = program
    this.exitCode = exitCode
    this.stderr = stderr
  }
}

/** Inherited variables: how a tool reaches the network and finds its configuration. All others are withheld. */
const passedOn = /^(PATH|HOME|TMPDIR|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|XDG_CONFIG_HOME)$/i

/** The environment of a tool: English messages, and only the inherited variables that it needs. Pure. */
export function toolEnvironment(ours: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const theirs: Record<string, string> = { LC_ALL: 'C' }
  for (const [key, value] of Object.entries(ours)) {
    if (value !== undefined && passedOn.test(key)) theirs[key] = value
  }
  return theirs
}

/**
 * Runs a program to its end and returns its standard output. `setpriv` sets the parent death signal: the kernel kills the
 * tool with this process. So no tool outlives a killed server and writes where its successor already cleans up.
 *
 * @throws ToolError with the program, the exit code and the end of its standard error.
 */
export async function runTool(
  program: string,
  args: readonly string[],
  { signal, input, env, outputLimit = 16 * 1024 * 1024 }: ToolOptions = {},
): Promise<Buffer> {
  signal?.throwIfAborted()
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
    env: { ...toolEnvironment(process.env), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const kill = (): void => void child.kill('SIGKILL')
  signal?.addEventListener('abort', kill, { once: true })
  const output: Buffer[] = []
  let outputBytes = 0
  let stderr = ''
  try {
    const { code, by } = await new Promise<{ code: number | null; by: NodeJS.Signals | null }>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        const what =
          error.code === 'ENOENT' ? 'could not be run: setpriv (package util-linux) is missing' : 'could not be run'
        reject(new ToolError(program, what, undefined, error.message))
      })
      child.once('close', (code, by) => {
        resolve({ code, by })
      })
      child.stdout.on('data', (chunk: Buffer) => {
        outputBytes += chunk.length
        if (outputBytes > outputLimit) kill()
        else output.push(chunk)
      })
      child.stderr.on('data', (chunk: Buffer) => {
        stderr = (stderr + chunk.toString()).slice(-stderrLimit)
      })
      // A tool that exits without reading its input is judged by its exit code, not by the broken pipe.
      child.stdin.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EPIPE') reject(error)
      })
      child.stdin.end(input ?? '')
    })
    if (code === 0) return Buffer.concat(output)
    if (signal?.aborted) throw signal.reason
    const words = stderr.trim()
    if (outputBytes > outputLimit)
      throw new ToolError(program, `wrote more than ${outputLimit} bytes`, undefined, words)
    if (code === 127 && words.startsWith('setpriv: failed to execute')) {
      throw new ToolError(program, 'could not be run: it is not installed or not in PATH', undefined, '')
    }
    if (code === null) throw new ToolError(program, `was ended by ${by ?? 'a signal'}`, undefined, words)
    throw new ToolError(program, `exited with ${code}`, code, words)
  } finally {
    signal?.removeEventListener('abort', kill)
  }
}
