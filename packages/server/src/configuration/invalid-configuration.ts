/** Thrown where the configuration cannot be used: says where, what it was, and what would do. */
export class InvalidConfiguration extends Error {
  override readonly name = 'InvalidConfiguration'
}
