import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import Type from 'typebox'
import { attemptId, type StoredJob } from '../../job/job.ts'
import { callerOf } from '../server/guard.ts'
import { leaving } from '../server/leaving.ts'
import { contentRange, sliceOf } from '../views/log-range.ts'
import { followJob } from '../../actions/follow-log.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { Problem } from '../server/problem.ts'
import type { ApiServer } from './api-server.ts'
import { JobAddress, jobAt } from './jobs.ts'
import { problemResponses } from './responses.ts'

const text = (description: string) => ({
  description,
  // What is sent is bytes, not a string: the schema is for those who read the document.
  content: { 'text/plain': { schema: Type.Unsafe<unknown>(Type.String()) } },
})

/** `/jobs/:id/logs`: what a job wrote, in whole, in part, or as it writes. */
export function logRoutes(app: ApiServer, parts: Pick<Dependencies, 'store' | 'executor' | 'watch' | 'config'>): void {
  app.get(
    '/jobs/:id/logs',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'readJobLog',
        summary: 'What a job wrote to stdout and stderr, interleaved as written',
        description:
          'With follow=1 the answer goes on until the job has ended, also when it has not started yet. A range of bytes ' +
          '(RFC 9110) may be asked for; with follow=1 only its start counts, and the answer says the range of a live ' +
          'document (RFC 8673).',
        params: JobAddress,
        querystring: Type.Object(
          {
            follow: Type.Optional(Type.Boolean({ description: '1: go on until the job has ended.' })),
            attempt: Type.Optional(Type.Integer({ minimum: 1, description: 'Which attempt. Default: the latest.' })),
          },
          { additionalProperties: false },
        ),
        headers: Type.Object({ Range: Type.Optional(Type.String({ examples: ['bytes=-1000'] })) }),
        response: { 200: text('The log'), 206: text('The part of the log that was asked for'), ...problemResponses },
      },
    },
    async (request, reply) => {
      const job = await jobAt(parts.store, callerOf(request), request.params.id)
      const { follow = false, attempt } = request.query
      if (attempt !== undefined && attempt > job.attempt) throw noAttempt(job, attempt)
      const name = attemptId(job.id, attempt ?? job.attempt)
      const stored = job.attempt === 0 ? undefined : await parts.executor.logSize(name)
      if (stored === undefined && job.startedAt !== undefined && job.endedAt !== undefined) throw forgotten(job, parts)
      const size = stored ?? 0
      const slice = sliceOf(request.headers.range, size, follow)
      if (slice.kind === 'unsatisfiable') throw outside(request.headers.range ?? '', size)
      const { start, end } = slice.kind === 'whole' ? { start: 0, end: follow ? undefined : size } : slice

      reply.type('text/plain').header('accept-ranges', 'bytes').header('x-content-type-options', 'nosniff')
      if (slice.kind === 'part') reply.code(206).header('content-range', contentRange(start, end, size))
      // The log of an ended job stays as it is; of another nobody knows how long it will be when it was sent.
      if (end !== undefined && job.endedAt !== undefined) reply.header('content-length', end - start)
      // A stream, since Fastify would tell the length of a text as that of the log.
      if (request.method === 'HEAD') return reply.send(Readable.from([]))
      if (end === start) return reply.send('')
      if (end !== undefined) return reply.send(Readable.from(parts.executor.readLog(name, { start, end })))
      const bytes = followJob(parts, job, { start, attempt }, untilSent(app, reply))
      return reply.send(Readable.from(breakOff(app, bytes)))
    },
  )
}

/** The signal for as long as an answer is being sent. */
function untilSent(app: ApiServer, reply: FastifyReply): AbortSignal {
  const { signal, release } = leaving(app, reply)
  reply.raw.once('close', release)
  return signal
}

/**
 * An answer that a stopping server does not finish must not look finished: it breaks off, and the client asks again from
 * the byte it has come to.
 */
async function* breakOff(app: ApiServer, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* bytes
  app.stopping.throwIfAborted()
}

const noAttempt = (job: StoredJob, attempt: number): Problem =>
  new Problem('not-found', `There is no attempt ${attempt} of job ${job.id}; it was tried ${job.attempt} times.`, {
    hint: 'Leave attempt out for the latest.',
    field: 'attempt',
  })

const forgotten = (job: StoredJob, { config }: Pick<Dependencies, 'config'>): Problem =>
  new Problem('not-found', `The log of job ${job.id} is no longer there.`, {
    hint: `Logs are kept for ${config.retention.logsDays} days.`,
  })

const outside = (range: string, size: number): Problem =>
  new Problem('range-not-satisfiable', `The log has ${size} bytes; none of them is in ${range}.`, {
    hint: 'Ask for a range that begins within the log.',
    headers: { 'content-range': `bytes */${size}` },
  })
