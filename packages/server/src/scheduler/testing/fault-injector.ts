/** Thrown by a call that an injected fault makes fail. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed'
}

/**
 * Stands between a process and its parts. It can kill the process at any call, with the call done or not: later calls do nothing. Or
 * calls fail without effect, and the process goes on.
 */
export class FaultInjector {
  #left = Infinity
  #isLastDone = false
  #failing = 0
  #isOver = false

  get isOver(): boolean {
    return this.#isOver
  }

  /** Kills the process at the call after so many more. @param isLastDone - Whether that call still takes effect. */
  endAfter(calls: number, isLastDone: boolean): void {
    this.#left = calls
    this.#isLastDone = isLastDone
  }

  /** The next calls fail, so many. */
  fail(calls: number): void {
    this.#failing = calls
  }

  /** Kills the process now. */
  end(): void {
    this.#isOver = true
  }

  /** A part as this process calls it. Methods that begin with `on` subscribe alone, and always work. */
  of<T extends object>(part: T): T {
    return new Proxy(part, {
      get: (target, key) => {
        const found: unknown = Reflect.get(target, key)
        if (typeof found !== 'function') return found
        if (/^on[A-Z]/.test(String(key))) return found.bind(target) as unknown
        return (...args: unknown[]) => this.#call(() => Reflect.apply(found, target, args) as unknown)
      },
    })
  }

  async #call(call: () => unknown): Promise<unknown> {
    if (this.#isOver) throw new CallFailed('the process is dead')
    if (this.#left-- <= 0) {
      this.#isOver = true
      if (this.#isLastDone) await call()
      throw new CallFailed('the process was killed')
    }
    if (this.#failing-- > 0) throw new CallFailed('it did not work')
    const result = await call()
    if (this.#wasKilled()) throw new CallFailed('the process was killed meanwhile')
    return result
  }

  /** Read through a method: it changes while a call waits, which the compiler cannot see. */
  #wasKilled(): boolean {
    return this.#isOver
  }
}
