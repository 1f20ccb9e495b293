import type { FastifyReply, FastifyRequest } from 'fastify'
import { masked } from '../../lib/secrets/mask.ts'
import { asProblem, type Problem } from '../server/problem.ts'
import { factsOf } from '../server/request-log.ts'
import { plainText } from '../server/plain-text.ts'

/** An error answer of the wire: a status and one line of text (wire contract 1.5). */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, text: string, headers: Readonly<Record<string, string>> = {}) {
    super(text)
    this.status = status
    this.headers = headers
  }
}

/** The text of the reference server for a session that does not exist or belongs to another user. */
export const noSession = (id: string, end = ''): WireError => new WireError(404, `session ${id} not found${end}`)

/** The error for a wrong address or method, as on the reference server. Pure. @param allowed methods of the address. */
export const unroutedOnWire = ({ method }: { method: string }, path: string, allowed: readonly string[]): WireError =>
  allowed.length === 0
    ? new WireError(404, `not found: ${path}`)
    : new WireError(405, `unsupported: HTTP ${method}`, { allow: allowed.join(', ') })

/** The wire error for a problem. Pure. */
function asWireError(problem: Problem): WireError {
  const { status, headers, message, hint } = problem
  if (problem.type === 'internal')
    return new WireError(500, 'unexpected exception: the server failed; its log has the details')
  return new WireError(status, hint === undefined ? message : `${sentence(message)} ${hint}`, headers)
}

/** Answers any thrown value with one line of text. Errors of the server are logged with their cause. */
export function sendWireError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = error instanceof WireError ? undefined : asProblem(error)
  request.problem = problem?.type
  const { status, message, headers } = problem === undefined ? (error as WireError) : asWireError(problem)
  if (status >= 500) {
    request.log.error({ err: error, ...factsOf(request) }, 'request failed')
  }
  return reply
    .code(status)
    .headers(headers)
    .type(plainText)
    .send(`${masked(message).replaceAll(/[\r\n]\s*/g, ' ')}\n`)
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)
