/** Thrown by a call that was made to fail. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed'
}

/**
 * The faultInjector of a process, as those see it whom it calls. It may be killed at any call that it makes of its parts, the call done
 * or not; from then on it brings about nothing any more. Or calls fail, nothing of them done, and it goes on.
 */
export class FaultInjector {
  #left = Infinity
  #isLastDone = false
  #failing = 0
  #isOver = false

  get isOver(): boolean {
    return this.#isOver
  }

  /** It ends with the call after so many more. @param isLastDone whether that call still does what it is for. */
  endAfter(calls: number, isLastDone: boolean): void {
    this.#left = calls
    this.#isLastDone = isLastDone
  }

  /** So many calls fail from now on. */
  fail(calls: number): void {
    this.#failing = calls
  }

  /** It ends now. */
  end(): void {
    this.#isOver = true
  }

  /** The part for this process alone. Methods that begin with `on`, which give nothing and wait for nothing, always work. */
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

  /** Read through a method since it changes while a call is waited for, which the compiler cannot see. */
  #wasKilled(): boolean {
    return this.#isOver
  }
}
