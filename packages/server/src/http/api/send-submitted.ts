import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SubmitOutcome } from '../../store/store.ts'
import { Problem } from '../server/problem.ts'

/** Answers a submission with its ids. @throws {Problem} where the Idempotency-Key was used for another request. */
export function sendSubmitted(request: FastifyRequest, reply: FastifyReply, outcome: SubmitOutcome): FastifyReply {
  request.isAudited = outcome.outcome === 'stored'
  if (outcome.outcome === 'conflict') {
    throw new Problem('idempotency-conflict', 'This Idempotency-Key was used for another request.', {
      hint: 'Use a new key for each submission. Reuse a key only to repeat the same request.',
      field: 'Idempotency-Key',
    })
  }
  if (outcome.outcome === 'repeated') reply.header('idempotency-replayed', 'true')
  const [first = ''] = outcome.ids
  request.subject = first
  return reply
    .code(201)
    .header('location', `/api/v1/jobs/${first}`)
    .send({ ids: [...outcome.ids] })
}
