import type { Clock } from './clock.ts'
import { Heap } from './heap.ts'

interface Alarm {
  readonly instant: number
  /** Calls of one instant run in the order in which they were set. */
  readonly number: number
  /** Undefined once cancelled. */
  run: (() => void) | undefined
}

/** A clock that advances only on request: days pass in milliseconds, and always in the same order. */
export class VirtualClock implements Clock {
  #now: number
  #set = 0
  readonly #alarms = new Heap<Alarm>(
    (a, b) => a.instant < b.instant || (a.instant === b.instant && a.number < b.number),
  )

  /** @param now milliseconds since the epoch at which it begins. */
  constructor(now = 0) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  elapsed(): number {
    return this.#now
  }

  at(instant: number, run: () => void): () => void {
    if (instant === Infinity) return () => {}
    const alarm: Alarm = { instant: Math.max(instant, this.#now), number: this.#set++, run }
    this.#alarms.push(alarm)
    return () => {
      alarm.run = undefined
    }
  }

  /** The first instant with a due call; undefined where there is none. */
  next(): number | undefined {
    return this.#first()?.instant
  }

  /**
   * Advances to an instant. Due calls run at their own time, including the calls that they set. @throws where it is no valid
   * instant.
   */
  advanceTo(instant: number): void {
    if (!Number.isFinite(instant)) throw new RangeError(`Time cannot move on to ${instant}.`)
    for (let alarm = this.#first(); alarm !== undefined && alarm.instant <= instant; alarm = this.#first()) {
      this.#alarms.pop()
      this.#now = alarm.instant
      alarm.run?.()
    }
    this.#now = Math.max(this.#now, instant)
  }

  /** Advances by milliseconds. */
  advance(ms: number): void {
    this.advanceTo(this.#now + ms)
  }

  #first(): Alarm | undefined {
    for (;;) {
      const first = this.#alarms.first()
      if (first === undefined || first.run !== undefined) return first
      this.#alarms.pop()
    }
  }
}
