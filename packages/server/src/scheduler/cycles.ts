import type { Logger } from 'pino'
import type { Clock } from '../lib/clock.ts'

/** Milliseconds between cycles without a wake-up, in case a notification was missed. */
const restMs = 2_000

/** What {@link Cycles} works with. */
export interface CyclesParts {
  /** One cycle. A failed one is tried again after a rest. */
  readonly run: () => Promise<void>
  /** Milliseconds to wait before a cycle, so that it serves more than one event. */
  readonly gatherMs: () => number
  /** The instant at which time alone asks for the next cycle. */
  readonly nextAt: () => number
  readonly clock: Clock
  readonly log: Pick<Logger, 'error'>
  /** Called after each cycle with its duration in seconds. */
  readonly onCycle?: ((seconds: number, outcome: 'done' | 'failed') => void) | undefined
}

/** Runs cycles one after the other: after a wake-up, at an instant, and every two seconds. One cycle serves all wake-ups before it. */
export class Cycles {
  readonly #parts: CyclesParts
  #state: 'new' | 'resting' | 'working' | 'woken' | 'closed' = 'new'
  /** Cancels the timer of the next cycle. */
  #stay: () => void = () => {}
  #working: Promise<void> = Promise.resolve()

  constructor(parts: CyclesParts) {
    this.#parts = parts
  }

  /** Starts the first cycle. */
  open(): void {
    this.#state = 'resting'
    this.wake()
  }

  /** Requests a cycle. Cheap; may be called any number of times. */
  wake(): void {
    if (this.#state === 'working') this.#state = 'woken'
    if (this.#state !== 'resting') return
    this.#state = 'working'
    this.#stay()
    this.#working = this.#work()
  }

  /** Whether a cycle runs or is requested. */
  get isBusy(): boolean {
    return this.#is('working') || this.#is('woken')
  }

  /** Fulfilled when the cycles that were requested have ended. */
  get working(): Promise<void> {
    return this.#working
  }

  /** Ends after the current cycle. */
  async close(): Promise<void> {
    this.#state = 'closed'
    this.#stay()
    await this.#working
  }

  async #work(): Promise<void> {
    const { run, clock, log, nextAt, onCycle } = this.#parts
    let hasFailed = false
    do {
      await this.#gather()
      if (this.#is('closed')) return
      this.#state = 'working'
      const begun = performance.now()
      const tell = (outcome: 'done' | 'failed'): void => onCycle?.((performance.now() - begun) / 1000, outcome)
      try {
        await run()
        tell('done')
      } catch (error) {
        tell('failed')
        hasFailed = true
        log.error({ err: error }, 'a cycle of the loop failed; it is tried again')
        break
      }
    } while (this.#is('woken'))
    if (this.#is('closed')) return
    this.#state = 'resting'
    const now = clock.now()
    const rest = hasFailed ? restMs : Math.min(restMs, Math.max(0, nextAt() - now))
    this.#stay = clock.at(now + rest, () => {
      this.wake()
    })
  }

  /** Waits at least one turn of the event loop: what became readable together is served together. */
  #gather(): Promise<void> {
    return new Promise((resolve) => {
      const ms = this.#parts.gatherMs()
      if (ms === 0) setImmediate(resolve)
      else setTimeout(resolve, ms)
    })
  }

  /** A method, because the state changes during `await` and the compiler would narrow the field. */
  #is(state: 'working' | 'woken' | 'closed'): boolean {
    return this.#state === state
  }
}
