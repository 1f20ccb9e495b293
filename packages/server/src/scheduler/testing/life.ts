/** What a dead process says: nothing that it did after its death reaches anybody. */
class Killed extends Error {
  override readonly name = 'Killed'
}

/**
 * The life of a process, as those see it whom it calls: it may be killed at any call that it makes of its parts, the call
 * done or not. From then on it brings about nothing any more.
 */
export class Life {
  #left = Infinity
  #isLastDone = false
  #isOver = false

  get isOver(): boolean {
    return this.#isOver
  }

  /** It ends with the call after so many more. @param isLastDone whether that call still does what it is for. */
  endAfter(calls: number, isLastDone: boolean): void {
    this.#left = calls
    this.#isLastDone = isLastDone
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
    if (this.#isOver) throw new Killed()
    if (this.#left-- > 0) {
      const result = await call()
      if (this.#wasKilled()) throw new Killed()
      return result
    }
    this.#isOver = true
    if (this.#isLastDone) await call()
    throw new Killed()
  }

  /** Read through a method since it changes while a call is waited for, which the compiler cannot see. */
  #wasKilled(): boolean {
    return this.#isOver
  }
}
