import type { Outcome } from '../connection/concurrently.ts'

/** Thrown when a skaha server answered a request with anything but success. */
export class SessionRequestError extends Error {
  override readonly name = 'SessionRequestError'
  /** The HTTP status. */
  readonly status: number
  /** The server's own words. */
  readonly text: string

  constructor(request: string, status: number, text: string) {
    super(`${request}: ${text === '' ? 'no explanation' : text} (HTTP ${status})`)
    this.status = status
    this.text = text
  }
}

/** What became of one of the requests of a call: the value, or the error, for the id (or name, where there is no id yet). */
export type SessionOutcome<T> = { readonly target: string } & Outcome<T>

/** Thrown when some requests of a call failed; the others have been done. `create` gives one outcome per replica, in order. */
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

  /** What the requests that succeeded gave: for `create`, the ids that were made. */
  get values(): T[] {
    return this.outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
