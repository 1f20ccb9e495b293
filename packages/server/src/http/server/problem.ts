import { problems, problemUri, type CauseCode, type ProblemBody, type ProblemType } from '@science-platform/contract'
import { masked } from '../../lib/secrets/mask.ts'
import { ImageError } from '../../image/fetch/image-error.ts'
import { InvalidRequest } from '../../job/invalid.ts'
import { AnswerUnavailable } from '../../scheduler/answers/queue-worker.ts'
import { TooManyQuestions } from '../../scheduler/answers/turns.ts'
import { bodyLimit } from './request-limits.ts'

/** Optional fields of a {@link Problem}. */
export interface ProblemOptions {
  /** A value that would be valid. */
  readonly hint?: string
  /** The invalid field. */
  readonly field?: string
  /** Headers of the answer, such as `Allow`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** An error answer: a problem type of the table, with a text about this request. */
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
  detail: masked(problem.message),
  ...(problem.hint === undefined ? {} : { hint: masked(problem.hint) }),
  ...(problem.field === undefined ? {} : { field: masked(problem.field) }),
})

/** Seconds of `Retry-After` when the queue is full. */
const queueFullSeconds = 60

/** Seconds of `Retry-After` of a question about the queue. */
const answerSeconds = 1

/** Error codes of Fastify and Node, and their problem types. */
const foreign: Readonly<
  Record<string, { readonly type: ProblemType; readonly detail: string; readonly hint: string }>
> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    type: 'unsupported-media-type',
    detail: 'The Content-Type of the body is not application/json.',
    hint: 'Send JSON with the header Content-Type: application/json.',
  },
  FST_ERR_CTP_BODY_TOO_LARGE: {
    type: 'too-large',
    detail: 'The body is too large.',
    hint: 'Put data into a file under /arc and pass its path; split a large submission into several.',
  },
  FST_ERR_CTP_INVALID_JSON_BODY: {
    type: 'invalid-request',
    detail: 'The body is not JSON.',
    hint: 'Send one JSON object.',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { type: 'invalid-request', detail: 'The body is empty.', hint: 'Send one JSON object.' },
  FST_ERR_BAD_URL: {
    type: 'not-found',
    detail: 'The address is not well formed.',
    hint: 'Encode special characters of the path as %XX (RFC 3986).',
  },
  FST_ERR_MAX_PARAM_LENGTH: {
    type: 'not-found',
    detail: 'A segment of the address is too long.',
    hint: 'Ids have eight characters.',
  },
}

/** Problem types for images that are unavailable. */
const imageProblems: Partial<Record<CauseCode, ProblemType>> = {
  'image-not-found': 'image-not-found',
  'image-unauthorized': 'image-unauthorized',
  'image-unreachable': 'registry-unavailable',
  'image-invalid': 'image-invalid',
  'image-wrong-platform': 'image-invalid',
  'disk-full': 'disk-full',
}

/**
 * Converts any thrown value into a problem. Unknown errors become `internal`, without details. Pure.
 * @param limit - Maximum bytes of the body of the request.
 */
export function asProblem(error: unknown, limit = bodyLimit): Problem {
  if (error instanceof Problem) return error
  if (error instanceof InvalidRequest) {
    const { problem, message, hint, field } = error
    const headers = problem === 'queue-full' ? { 'retry-after': String(queueFullSeconds) } : {}
    return new Problem(problem, message, { hint, field, headers, cause: error })
  }
  if (error instanceof ImageError) {
    const { code, message, hint } = error.why
    const type = imageProblems[code]
    if (type !== undefined) return new Problem(type, message, { ...(hint === undefined ? {} : { hint }), cause: error })
  }
  if (error instanceof AnswerUnavailable) {
    return new Problem('answer-unavailable', error.message, {
      hint: `Ask again in ${answerSeconds} s (Retry-After).`,
      headers: { 'retry-after': String(answerSeconds) },
      cause: error,
    })
  }
  if (error instanceof TooManyQuestions) {
    return new Problem('too-many-requests', error.message, {
      hint: `Ask again in ${answerSeconds} s (Retry-After), and at most ${error.waiting} at a time: they are answered one after the other.`,
      headers: { 'retry-after': String(answerSeconds) },
      cause: error,
    })
  }
  const { code, statusCode, message } = (error ?? {}) as { code?: string; statusCode?: number; message?: string }
  const known = foreign[code ?? '']
  if (known !== undefined) {
    const detail = known.type === 'too-large' ? `The body has more than ${limit} bytes.` : known.detail
    return new Problem(known.type, detail, { hint: known.hint, cause: error })
  }
  if (isDiskFull(error)) {
    return new Problem('disk-full', 'The disk of the server is full; nothing was stored.', {
      hint: 'Report it to the people who run this server, and try again later.',
      cause: error,
    })
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem('invalid-request', message ?? 'The request is not well formed.', { cause: error })
  }
  return new Problem('internal', 'The server failed. Your request did not cause it.', {
    hint: 'Try again. If it fails again, report the time and the address to the people who run this server.',
    cause: error,
  })
}

/** Whether the file system or SQLite reported a full disk: SQLITE_FULL, with any extended code (sqlite.org/rescode.html). */
function isDiskFull(error: unknown): boolean {
  const { code, errcode } = (error ?? {}) as { code?: string; errcode?: number }
  return code === 'ENOSPC' || code === 'EDQUOT' || (errcode !== undefined && (errcode & 0xff) === 13)
}
