type InvalidRequestProblem =
  'invalid-request' | 'image-not-allowed' | 'never-fits' | 'not-found' | 'conflict' | 'queue-full'

/** A request that cannot be accepted. `field` names what is wrong, the message says what it was, `hint` what would do. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest'
  readonly field: string
  readonly hint: string
  /** Which problem it is on `/api/v1`; everything else is told apart by the field. */
  readonly problem: InvalidRequestProblem

  constructor(field: string, message: string, hint: string, problem: InvalidRequestProblem = 'invalid-request') {
    super(message)
    this.field = field
    this.hint = hint
    this.problem = problem
  }
}

/** A value as an error shows it: quoted, with control characters visible, cut where it is long. */
export function shown(value: string): string {
  const text = JSON.stringify(value)
  return text.length <= 80 ? text : `${text.slice(0, 76)}…"`
}
