/** Thrown when the configuration is invalid. The message names the key, its value and a valid one. */
export class InvalidConfiguration extends Error {
  override readonly name = 'InvalidConfiguration'
}
