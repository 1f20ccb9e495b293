import type { ProblemBody, ProblemType } from '@science-platform/contract'
import type { Answer } from './connection.ts'

const prefix = 'urn:science-platform:problem:'

/** Thrown when the platform's own API refuses a request: a problem (RFC 9457) with a hint. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  /** The name of the problem, such as `job-not-found`; `about:blank` for an answer of a proxy. */
  readonly type: ProblemType | 'about:blank' | (string & {})
  readonly title: string
  /** The HTTP status. */
  readonly status: number
  readonly detail: string
  /** What to do. */
  readonly hint: string | undefined
  /** The field at fault. */
  readonly field: string | undefined

  constructor(body: ProblemBody) {
    super(body.detail === '' ? body.title : body.detail)
    this.type = body.type.startsWith(prefix) ? body.type.slice(prefix.length) : body.type
    this.title = body.title
    this.status = body.status
    this.detail = body.detail
    this.hint = body.hint
    this.field = body.field
  }
}

/** The problem of an answer that is not a success. An answer of a proxy becomes a problem with its status. */
export function problemFrom(answer: Pick<Answer, 'status' | 'text'>, request: string): ProblemError {
  return new ProblemError(problemBody(answer.text) ?? unknownProblem(answer.status, request))
}

function unknownProblem(status: number, request: string): ProblemBody {
  const title = `The server answered with HTTP ${status}`
  const hint = 'Something other than the platform may have answered: check the address of the server.'
  return { type: 'about:blank', title, status, detail: `${title} to ${request}, without an explanation`, hint }
}

function problemBody(text: string): ProblemBody | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { type, title, status, detail } = value as Record<string, unknown>
  const complete = [type, title, detail].every((part) => typeof part === 'string') && typeof status === 'number'
  return complete ? (value as ProblemBody) : undefined
}
