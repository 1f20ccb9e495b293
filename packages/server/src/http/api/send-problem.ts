import type { FastifyReply, FastifyRequest } from 'fastify'
import { asProblem, problemBody } from '../problem.ts'
import { pathOf } from '../route-table.ts'

/** Answers with a problem (RFC 9457), whatever was thrown. What is the server's fault is logged, with its cause. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = asProblem(error)
  request.problem = problem.type
  if (problem.status >= 500) {
    request.log.error(
      { err: problem.cause ?? problem, method: request.method, path: pathOf(request.url) },
      'a request failed',
    )
  }
  return reply.code(problem.status).headers(problem.headers).type('application/problem+json').send(problemBody(problem))
}
