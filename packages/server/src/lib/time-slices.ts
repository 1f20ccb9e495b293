import { setImmediate as othersFirst } from 'node:timers/promises'

/** Milliseconds of work before the event loop gets a turn. */
const sliceMs = 2

/** Cuts long work into slices, so that requests do not wait for all of it. Call {@link next} between two pieces. */
export class TimeSlices {
  #begunAt = performance.now()

  /** Resolves at once within a slice, else after one turn of the event loop. */
  async next(): Promise<void> {
    if (performance.now() - this.#begunAt < sliceMs) return
    await othersFirst()
    this.#begunAt = performance.now()
  }
}
