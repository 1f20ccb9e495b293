import { problems, problemUri, type ProblemBody, type ProblemType } from '@science-platform/contract'
import { InvalidRequest } from '../job/invalid.ts'

/** What goes with a {@link Problem} besides its kind and its words. */
export interface ProblemOptions {
  /** What would do. */
  readonly hint?: string
  /** The field at fault. */
  readonly field?: string
  /** Headers of the answer, such as `Allow`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** An answer that is no success: one of the table of problems, in words about this request. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly type: ProblemType
  readonly hint: string | undefined
  readonly field: string | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(type: ProblemType, detail: string, { hint, field, headers = {}, cause }: ProblemOptions = {}) {
    super(detail, { cause })
    this.type = type
    this.hint = hint
    this.field = field
    this.headers = headers
  }

  get status(): number {
    return problems[this.type].status
  }
}

/** The body of a problem (RFC 9457). Pure. */
export const problemBody = (problem: Problem): ProblemBody => ({
  type: problemUri(problem.type),
  title: problems[problem.type].title,
  status: problem.status,
  detail: problem.message,
  ...(problem.hint === undefined ? {} : { hint: problem.hint }),
  ...(problem.field === undefined ? {} : { field: problem.field }),
})

/** Bytes of a body that are read. A word of 1 MiB still arrives, so that it can be refused by its name. */
export const bodyLimit = 1_310_720

/** Bytes of a request line and headers that are read: cmd, args and env ride in the address on the skaha wire. */
export const headLimit = 1_310_720

/** Whatever was thrown, as a problem. What is not known is `internal`, in words that give nothing away. Pure. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof InvalidRequest) {
    return new Problem(error.problem, error.message, { hint: error.hint, field: error.field, cause: error })
  }
  const { code, statusCode, errcode, message } = (error ?? {}) as {
    code?: string
    statusCode?: number
    errcode?: number
    message?: string
  }
  const options = { cause: error }
  switch (code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem('unsupported-media-type', 'The Content-Type of the body is not application/json.', {
        hint: 'Send JSON and say so: Content-Type: application/json.',
        ...options,
      })
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem('too-large', `The body has more than ${bodyLimit} bytes.`, {
        hint: 'Put data into a file under /arc and pass its path; split a large submission into several.',
        ...options,
      })
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new Problem('invalid-request', 'The body is not JSON.', { hint: 'Send one JSON object.', ...options })
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new Problem('not-found', 'The address is not well formed.', {
        hint: 'Encode special characters of the path as %XX (RFC 3986).',
        ...options,
      })
    // The disk of the log, or of anything else that goes through the file system.
    case 'ENOSPC':
    case 'EDQUOT':
      return diskFull(error)
    default:
  }
  // SQLITE_FULL, whatever the extended code says (sqlite.org/rescode.html).
  if (errcode !== undefined && (errcode & 0xff) === 13) return diskFull(error)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem('invalid-request', message ?? 'The request is not well formed.', options)
  }
  return new Problem('internal', 'The server failed; this is not about your request.', {
    hint: 'Try again; if it stays, tell the people who run this server the time and the address.',
    ...options,
  })
}

const diskFull = (error: unknown): Problem =>
  new Problem('disk-full', 'The server has no room left on its disk; nothing was stored.', {
    hint: 'Tell the people who run this server, and try again later.',
    cause: error,
  })
