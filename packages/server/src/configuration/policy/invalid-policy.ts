/** An invalid rule of the queue. `key` is its place in the configuration below `queue` or `limits`. */
export class InvalidPolicy extends Error {
  override readonly name = 'InvalidPolicy'
  readonly key: string
  /** How to correct it. */
  readonly hint: string

  constructor(key: string, message: string, hint: string) {
    super(`${key}: ${message}`)
    this.key = key
    this.hint = hint
  }
}
