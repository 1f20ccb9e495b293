type InvalidRequestProblem =
  'invalid-request' | 'image-not-allowed' | 'never-fits' | 'not-found' | 'conflict' | 'queue-full'

/** A request that is refused. `field` names the field, the message says what it was, `hint` says what to do. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest'
  readonly field: string
  readonly hint: string
  /** The problem type on `/api/v1`. */
  readonly problem: InvalidRequestProblem

  constructor(field: string, message: string, hint: string, problem: InvalidRequestProblem = 'invalid-request') {
    super(message)
    this.field = field
    this.hint = hint
    this.problem = problem
  }

  /** The same refusal of one of several requests. `place` names it, such as `jobs[3]`. */
  within(place: string): InvalidRequest {
    return new InvalidRequest(`${place}.${this.field}`, `${place}: ${this.message}`, this.hint, this.problem)
  }
}

/** Runs a check of one of several requests, so that a refusal names the place of that request. Without a place it changes nothing. */
export function checkedAt<T>(place: string | undefined, check: () => T): T {
  try {
    return check()
  } catch (error) {
    throw place !== undefined && error instanceof InvalidRequest ? error.within(place) : error
  }
}

/** A value for an error message: quoted, control characters escaped, long values cut. */
export function shown(value: string): string {
  const text = JSON.stringify(value)
  return text.length <= 80 ? text : `${text.slice(0, 76)}…"`
}
