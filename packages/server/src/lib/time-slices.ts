import { setImmediate as othersFirst } from 'node:timers/promises'

/** Milliseconds of work after which other work of the event loop comes first. */
const sliceMs = 8

/** Cuts long work into slices, so that no request waits for all of it. Call {@link next} between two pieces. */
export class TimeSlices {
  #begunAt = performance.now()

  /** Resolves at once while the slice lasts, else after what else waits in the event loop. */
  async next(): Promise<void> {
    if (performance.now() - this.#begunAt < sliceMs) return
    await othersFirst()
    this.#begunAt = performance.now()
  }
}
