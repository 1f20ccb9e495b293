import type { Outcome } from '../connection/concurrently.ts'

/** Thrown when a skaha server refuses a request. */
export class SessionRequestError extends Error {
  override readonly name = 'SessionRequestError'
  /** The HTTP status. */
  readonly status: number
  /** The server's message. */
  readonly text: string

  constructor(request: string, status: number, text: string) {
    super(`${request}: ${text === '' ? 'no explanation' : text} (HTTP ${status})`)
    this.status = status
    this.text = text
  }
}

/** The outcome of one request of a call. `target` is the id, or the name before there is an id. */
export type SessionOutcome<T> = { readonly target: string } & Outcome<T>

/** Thrown when some requests of a call failed and the others succeeded. `create` has one outcome per replica, in order. */
export class SessionError<T = unknown> extends Error {
  override readonly name = 'SessionError'
  /** The method that was called. */
  readonly operation: string
  readonly outcomes: readonly SessionOutcome<T>[]

  constructor(operation: string, outcomes: readonly SessionOutcome<T>[]) {
    const failures = outcomes.filter((outcome) => !outcome.ok)
    const first = failures[0]
    const why = first === undefined ? '' : `, ${first.target}: ${messageOf(first.error)}`
    super(`${operation}: ${failures.length} of ${outcomes.length} failed${why}`, first && { cause: first.error })
    this.operation = operation
    this.outcomes = outcomes
  }

  /** The values of the requests that succeeded: for `create`, the new ids. */
  get values(): T[] {
    return this.outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
