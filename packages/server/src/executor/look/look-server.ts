import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { LookFailed } from '../arc-look.ts'
import { parseRecord, type LookRecord } from './order.ts'

const ownProgram = fileURLToPath(new URL('look.pl', import.meta.url))

/** Looks at the same time. */
export const lookLanes = 4

/** Settings of {@link LookServer}. */
export interface LookServerOptions {
  readonly architecture: 'x64' | 'arm64'
  readonly log: Logger
  /** Path of the program. @defaultValue look.pl beside this file */
  readonly program?: string
}

/** A look that runs. */
interface Running {
  readonly onRecord: (record: LookRecord) => void
  /** Called once, when its process has ended. */
  readonly onEnd: (error?: Error) => void
}

/**
 * Forks one confined process per look, from a small process. That one is started while this server is small, too: forking a server with
 * 1 GiB of pages stops it for 0.1 s.
 */
export class LookServer {
  readonly #architecture: string
  readonly #log: Logger
  readonly #program: string
  readonly #running = new Map<number, Running>()
  #process: ChildProcess | undefined
  /** The streams of the lanes. An idle one does not keep this process alive. */
  #lanes: readonly Socket[] = []
  #isClosed = false

  constructor({ architecture, log, program = ownProgram }: LookServerOptions) {
    this.#architecture = architecture
    this.#log = log
    this.#program = program
  }

  /**
   * Runs an order on a free lane. Resolves when its process has ended, and not before: a process that waits for a disk that does not answer
   * keeps its lane. @throws {LookFailed}
   *
   * @param seconds - After which the process is killed.
   * @param signal - Kills it.
   */
  run(order: string, seconds: number, signal: AbortSignal, onRecord: Running['onRecord']): Promise<void> {
    if (this.#isClosed) return Promise.reject(new LookFailed('the server is stopping'))
    const lane = Array.from({ length: lookLanes }, (_, i) => i).find((i) => !this.#running.has(i))
    if (lane === undefined) throw new Error('No lane is free.')
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    const kill = (): void => {
      this.#write(`${lane} 0 0\n`)
    }
    this.#running.set(lane, {
      onRecord,
      onEnd: (error) => {
        signal.removeEventListener('abort', kill)
        this.#running.delete(lane)
        this.#lanes[lane]?.unref()
        if (error === undefined) resolve(undefined)
        else reject(error)
      },
    })
    signal.addEventListener('abort', kill, { once: true })
    this.open()
    this.#lanes[lane]?.ref()
    this.#write(`${lane} ${seconds} ${Buffer.byteLength(order)}\n${order}`)
    return promise
  }

  /** Starts the process. A later look starts another one where it has ended. */
  open(): void {
    this.#process ??= this.#start()
  }

  /** Ends all looks. */
  close(): void {
    this.#isClosed = true
    this.#process?.stdin?.end()
  }

  #write(text: string): void {
    if (!this.#isClosed) this.#process?.stdin?.write(text)
  }

  #start(): ChildProcess {
    const started = spawn('perl', [this.#program, this.#architecture, String(lookLanes)], {
      cwd: '/',
      detached: true,
      // Nothing of the server's environment: it may hold secrets.
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      stdio: ['pipe', 'ignore', 'pipe', ...Array.from({ length: lookLanes }, () => 'pipe' as const)],
    })
    started.unref()
    // Pipes of a child are sockets (child_process, `subprocess.stdio`).
    const lanes = started.stdio.slice(3) as unknown as readonly Socket[]
    this.#lanes = lanes
    for (const [lane, stream] of lanes.entries()) this.#read(stream, lane)
    for (const stream of [started.stdin, started.stderr, ...lanes] as unknown as readonly (Socket | null)[])
      stream?.unref()
    started.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log.warn({ failure: text }, 'the look server wrote an error')
    })
    const onDeath = (why: string): void => {
      if (this.#process !== started) return
      this.#process = undefined
      for (const stream of lanes) stream.destroy()
      for (const { onEnd } of this.#running.values()) onEnd(new LookFailed(why))
    }
    started.once('error', (error) => {
      onDeath(error.message)
    })
    started.once('exit', () => {
      onDeath('the look server was ended')
    })
    // 'exit' reports its end; a write after that fails and says nothing new.
    started.stdin?.on('error', () => undefined)
    return started
  }

  /** Reads the records of a lane. Records end in a NUL; the record `exit` is the last one of a look. */
  #read(stream: Socket, lane: number): void {
    let rest: Buffer = Buffer.alloc(0)
    stream.on('error', () => undefined)
    stream.on('data', (bytes: Buffer) => {
      const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
      let start = 0
      for (let end = all.indexOf(0); end >= 0; end = all.indexOf(0, start)) {
        this.#deliver(lane, all.subarray(start, end))
        start = end + 1
      }
      rest = all.subarray(start)
    })
  }

  #deliver(lane: number, bytes: Buffer): void {
    const record = parseRecord(bytes)
    const running = this.#running.get(lane)
    if (record === undefined || running === undefined) return
    running.onRecord(record)
    if (record.type === 'exit') running.onEnd()
  }
}
