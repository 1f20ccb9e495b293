/** How a registry, or the way to it, failed. */
export type RegistryFailure =
  /** It wants other credentials, or any at all. */
  | 'denied'
  /** It has no such thing. */
  | 'missing'
  /** It answers, but not now: too many requests. */
  | 'busy'
  /** It does not answer, or fails itself. */
  | 'unreachable'
  /** It asks that the credentials be sent to a place that is not its own. */
  | 'untrusted'
  /** It answered what no registry answers. */
  | 'invalid'

/** Thrown when a registry cannot be asked or refuses. The message is for logs and tells no credentials. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly failure: RegistryFailure

  constructor(failure: RegistryFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.failure = failure
  }
}

/** What a status means that is no success (distribution specification, "Error codes"). Pure. */
export function failureOf(status: number): RegistryFailure {
  if (status === 401 || status === 403) return 'denied'
  if (status === 404) return 'missing'
  if (status === 429) return 'busy'
  return status >= 500 || (status >= 300 && status < 400) ? 'unreachable' : 'invalid'
}
