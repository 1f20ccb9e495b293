/** The parameters of a request by name in any case, each with its values in order (wire contract 1.2). */
export class Parameters {
  readonly #values = new Map<string, string[]>()

  /** @param sources the query, then the form. Of a single-valued parameter the first value counts. */
  constructor(...sources: Iterable<readonly [string, string]>[]) {
    for (const source of sources) {
      for (const [name, value] of source) {
        const values = this.#values.get(name.toLowerCase())
        if (values === undefined) this.#values.set(name.toLowerCase(), [value])
        else values.push(value)
      }
    }
  }

  /** The first value; undefined without one. */
  first(name: string): string | undefined {
    return this.#values.get(name)?.[0]
  }

  /** The first value; undefined without one, or where it is blank. */
  text(name: string): string | undefined {
    const value = this.first(name)
    return value === undefined || value.trim() === '' ? undefined : value
  }

  /** All values. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }
}
