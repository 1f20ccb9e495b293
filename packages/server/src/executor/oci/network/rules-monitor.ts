import { spawn, type ChildProcess } from 'node:child_process'
import { toolEnvironment } from '../../../lib/tool.ts'

/** Reports changes of the machine's rules of nftables, within milliseconds, by one `nft monitor`. Reports may be lost: look now and then. */
export class RulesMonitor {
  readonly #onChange: (by: string | undefined) => void
  #child: ChildProcess | undefined

  /** @param onChange called with the name of the program that changed the rules, where nft tells it. */
  constructor(onChange: (by: string | undefined) => void) {
    this.#onChange = onChange
  }

  /** Starts the monitor, unless it runs. Call it again now and then: it ends when the kernel reports faster than it reads. */
  start(): void {
    if (this.#child !== undefined) return
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'nft', 'monitor'], {
      env: toolEnvironment(process.env),
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#child = child
    const gone = (): void => {
      if (this.#child === child) this.#child = undefined
    }
    child.once('error', gone).once('exit', gone)
    child.stdout.on('data', (chunk: Buffer) => {
      this.#onChange(changedBy(chunk.toString()))
    })
    // Neither the process nor its output keeps this one alive.
    child.unref()
    ;(child.stdout as unknown as { unref(): void }).unref()
  }

  close(): void {
    const child = this.#child
    this.#child = undefined
    child?.kill('SIGKILL')
  }
}

/** The program of the last change in a piece of the monitor's output: `# new generation 7 by process 4711 (nft)`. Pure. */
export const changedBy = (text: string): string | undefined =>
  [...text.matchAll(/^# new generation \d+ by process \d+ \((.*)\)$/gm)].at(-1)?.[1]
