/** A rule of the queue that makes no sense. `key` is its place in the configuration below `queue` or `limits`. */
export class InvalidPolicy extends Error {
  override readonly name = 'InvalidPolicy'
  readonly key: string
  /** What would do. */
  readonly hint: string

  constructor(key: string, message: string, hint: string) {
    super(`${key}: ${message}`)
    this.key = key
    this.hint = hint
  }
}
