/** How a request to a registry failed. */
export type RegistryFailure =
  /** It demands credentials, or other ones. */
  | 'denied'
  /** It does not have what was requested. */
  | 'missing'
  /** It refuses the request for now, as too many. */
  | 'busy'
  /** It does not answer, or has an internal failure. */
  | 'unreachable'
  /** It demands that the credentials go to another site. */
  | 'untrusted'
  /** Its answer violates the protocol. */
  | 'invalid'

/** Thrown when a request to a registry fails. The message is for logs and has no credentials. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly failure: RegistryFailure
  /** Milliseconds that the registry asks clients to wait. */
  readonly retryAfterMs: number | undefined

  constructor(
    failure: RegistryFailure,
    message: string,
    { retryAfterMs, ...options }: ErrorOptions & { readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options)
    this.failure = failure
    this.retryAfterMs = retryAfterMs
  }
}

/** Milliseconds of a `Retry-After`: seconds or a date (RFC 9110, 10.2.3); undefined where it is neither. Pure. */
export function readRetryAfter(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d+$/.test(text)) return Number(text) * 1000
  // Date.parse takes more than HTTP dates, such as negative numbers.
  const at = /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

/** The failure of an error status (distribution specification, "Error codes"). Pure. */
export function failureOf(status: number): RegistryFailure {
  if (status === 401 || status === 403) return 'denied'
  if (status === 404) return 'missing'
  if (status === 429) return 'busy'
  return status >= 500 || (status >= 300 && status < 400) ? 'unreachable' : 'invalid'
}
