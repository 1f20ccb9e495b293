import type { Clock } from './clock.ts'
import { Heap } from './heap.ts'

interface Alarm {
  readonly instant: number
  /** Those of one instant go off in the order in which they were set. */
  readonly number: number
  /** Undefined once it is called off. */
  run: (() => void) | undefined
}

/** Time that stands still until it is moved on: what takes days takes moments, and always happens in the same order. */
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

  /** The first instant at which something is due; undefined where nothing is. */
  next(): number | undefined {
    return this.#first()?.instant
  }

  /** Moves on to an instant. What falls due on the way is done at its own time, and what that sets off too. @throws where it is no instant. */
  advanceTo(instant: number): void {
    if (!Number.isFinite(instant)) throw new RangeError(`Time cannot move on to ${instant}.`)
    for (let alarm = this.#first(); alarm !== undefined && alarm.instant <= instant; alarm = this.#first()) {
      this.#alarms.pop()
      this.#now = alarm.instant
      alarm.run?.()
    }
    this.#now = Math.max(this.#now, instant)
  }

  /** Moves on by so many milliseconds. */
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
