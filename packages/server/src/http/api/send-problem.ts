import type { FastifyReply, FastifyRequest } from 'fastify'
import { asProblem, problemBody } from '../server/problem.ts'
import { factsOf } from '../server/request-log.ts'

/** Answers any thrown value with a problem (RFC 9457). Errors of the server are logged with their cause. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = asProblem(error, request.routeOptions.bodyLimit)
  request.problem = problem.type
  if (problem.status >= 500) {
    request.log.error({ err: problem.cause ?? problem, ...factsOf(request) }, 'request failed')
  }
  return reply.code(problem.status).headers(problem.headers).type('application/problem+json').send(problemBody(problem))
}
