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
}

/** A value for an error message: quoted, control characters escaped, long values cut. */
export function shown(value: string): string {
  const text = JSON.stringify(value)
  return text.length <= 80 ? text : `${text.slice(0, 76)}…"`
}
