import type { Dispatcher } from 'undici'

/** A failed request to the API server. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** HTTP status; 0 without an answer. */
  readonly status: number
  /** The API's own word, such as `AlreadyExists`; '' where the answer has none. */
  readonly reason: string
  /** The `Retry-After` of the answer. */
  readonly retryAfterSeconds: number | undefined

  constructor(status: number, reason: string, message: string, retryAfterSeconds?: number, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.reason = reason
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** Whether the same request may succeed later: no answer, too many requests, a server that starts or stops. */
export const isTransient = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500)

/** Whether the object exists already, or was changed by another client at the same time. */
export const isConflict = (error: unknown): boolean => error instanceof ApiError && error.status === 409

/** Whether the API server has no such object. */
export const isGone = (error: unknown): boolean => error instanceof ApiError && error.status === 404

/**
 * Whether authentication or RBAC refused the request. RBAC's words are matched, since quotas and admission policies answer 403
 * too. An API server refuses every client until it has read all roles after its start.
 */
export const isRefusal = (error: unknown): boolean =>
  error instanceof ApiError &&
  (error.status === 401 || (error.status === 403 && / cannot \w+ resource /.test(error.message)))

/** The error for a connection that broke during the answer. */
export const brokenConnection = (error: unknown): ApiError =>
  new ApiError(0, '', `the connection broke during the answer: ${(error as Error).message}`, undefined, {
    cause: error,
  })

/** The error for an answer with a failure status: a Status object of the API server, or the text of a proxy before it. */
export function errorOf({ statusCode, headers }: Dispatcher.ResponseData, text: string): ApiError {
  let status: { readonly reason?: string; readonly message?: string } = {}
  try {
    status = JSON.parse(text) as typeof status
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  const retryAfter = Number(headers['retry-after'])
  return new ApiError(
    statusCode,
    status.reason ?? '',
    status.message ?? `the API server answered ${statusCode}: ${text.slice(0, 300)}`,
    Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : undefined,
  )
}
