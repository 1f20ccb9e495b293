/** Thrown without an answer: the server is down, its name does not resolve, the connection broke, or a timeout passed. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError'
  /** The address of the request. */
  readonly url: string

  constructor(url: string, why: string, cause?: unknown) {
    super(`no answer from ${url}: ${why}`, cause === undefined ? undefined : { cause })
    this.url = url
  }
}

/** The innermost cause of a failed fetch, such as `connect ECONNREFUSED …` or `getaddrinfo ENOTFOUND example.org`. */
export function fetchFailureReason(error: unknown): string {
  let innermost: unknown = error
  while (innermost instanceof Error && innermost.cause !== undefined) innermost = innermost.cause
  if (innermost instanceof AggregateError && innermost.errors.length > 0) return fetchFailureReason(innermost.errors[0])
  if (!(innermost instanceof Error)) return String(innermost)
  return innermost.message === '' ? innermost.name : innermost.message
}
