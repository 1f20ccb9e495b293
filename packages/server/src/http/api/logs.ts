import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { attemptId, type StoredJob } from '../../job/job.ts'
import { callerOf } from '../server/guard.ts'
import { leaving } from '../server/leaving.ts'
import { contentRange, sliceOf } from '../views/log-range.ts'
import { followJob, followOutput } from '../../actions/follow-log.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { Problem } from '../server/problem.ts'
import type { ApiServer } from './api-server.ts'
import { JobAddress, jobAt } from './jobs.ts'
import { problemResponses } from './responses.ts'
import { plainText } from '../server/plain-text.ts'

const text = (description: string) => ({
  description,
  // The answer is bytes. The schema is only for the OpenAPI document.
  content: { 'text/plain': { schema: Type.Unsafe<unknown>(Type.String()) } },
})

/** `/jobs/:id/logs`: the log of a job, a range of it, or the log while the job writes it. */
export function logRoutes(app: ApiServer, parts: Pick<Dependencies, 'store' | 'executor' | 'watch' | 'config'>): void {
  app.get(
    '/jobs/:id/logs',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'readJobLog',
        summary: 'The log of a job: stdout and stderr, interleaved as written',
        description:
          'With follow=1 the answer continues until the job has ended, also when the job has not started yet. A Range ' +
          'header (RFC 9110) selects a range of bytes; with follow=1 only its start counts, and Content-Range is that of ' +
          'a growing document (RFC 8673). A line stands in the place of missing bytes. With marks=0 there is no such line: ' +
          'bytes are numbered as the attempt wrote them, and an answer ends before missing bytes. The answer to the request ' +
          'for the next byte begins after them. Log-Start is the first byte of an answer, Log-Attempt its attempt, Log-Size the ' +
          'bytes that the attempt has written so far, and Log-Lost those for which the disk had no room. 204: no byte follows.',
        params: JobAddress,
        querystring: Type.Object(
          {
            follow: Type.Optional(Type.Boolean({ description: '1: continue until the job has ended.' })),
            marks: Type.Optional(
              Type.Boolean({ description: '0: no line in the place of missing bytes. Default: 1.' }),
            ),
            attempt: Type.Optional(
              Type.Integer({ minimum: 1, description: 'Number of the attempt. Default: the latest.' }),
            ),
          },
          { additionalProperties: false },
        ),
        headers: Type.Object({ Range: Type.Optional(Type.String({ examples: ['bytes=-1000'] })) }),
        response: {
          200: text('The log'),
          206: text('The requested range of the log'),
          204: Type.Null({ description: 'With marks=0: the attempt wrote no more' }),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const job = await jobAt(parts.store, callerOf(request), request.params.id)
      const { follow = false, marks = true, attempt } = request.query
      if (attempt !== undefined && attempt > job.attempt) throw noAttempt(job, attempt)
      reply.type(plainText).header('accept-ranges', 'bytes').header('x-content-type-options', 'nosniff')
      if (!marks) return sendOutput(request, reply, job, { follow, attempt })
      const name = attemptId(job.id, attempt ?? job.attempt)
      const stored = job.attempt === 0 ? undefined : await parts.executor.logSize(name)
      if (stored === undefined && job.startedAt !== undefined && job.endedAt !== undefined) throw forgotten(job, parts)
      const size = stored ?? 0
      const slice = sliceOf(request.headers.range, size, follow)
      if (slice.kind === 'unsatisfiable') throw outside(request.headers.range ?? '', size)
      const { start, end } = slice.kind === 'whole' ? { start: 0, end: follow ? undefined : size } : slice

      if (slice.kind === 'part') reply.code(206).header('content-range', contentRange(start, end, size))
      // Only the log of an ended job has a final length.
      if (end !== undefined && job.endedAt !== undefined) reply.header('content-length', end - start)
      // An empty stream: for an empty string Fastify would set Content-Length to 0.
      if (request.method === 'HEAD') return reply.send(Readable.from([]))
      if (end === start) return reply.send('')
      if (end !== undefined) return reply.send(Readable.from(parts.executor.readLog(name, { start, end })))
      const bytes = followJob(parts, job, { start, attempt }, untilSent(app, reply))
      return reply.send(Readable.from(abortedAtStop(app, bytes)))
    },
  )

  /** The output of one attempt without marks, from the first byte at or after the one asked for to what is missing after it. */
  async function sendOutput(
    request: FastifyRequest,
    reply: FastifyReply,
    job: StoredJob,
    { follow, attempt = job.attempt }: { readonly follow: boolean; readonly attempt?: number | undefined },
  ): Promise<FastifyReply> {
    const name = attemptId(job.id, attempt)
    const isOver = job.endedAt !== undefined || attempt < job.attempt
    const found = attempt === 0 ? undefined : await parts.executor.output(name, 0)
    if (found === undefined && isOver && job.startedAt !== undefined) throw forgotten(job, parts)
    const { size, lostBytes } = found ?? { size: 0, lostBytes: 0 }
    const grows = follow && !isOver
    const slice = sliceOf(request.headers.range, size, grows)
    reply.headers({ 'log-size': size, 'log-lost': lostBytes, ...(attempt === 0 ? {} : { 'log-attempt': attempt }) })
    if (slice.kind === 'unsatisfiable') {
      if (request.headers.range === `bytes=${size}-`) return reply.code(204).header('log-start', size).send()
      throw outside(request.headers.range ?? '', size)
    }
    const from = slice.kind === 'whole' ? 0 : slice.start
    const { start, end: there } = (await parts.executor.output(name, from)) ?? { start: from, end: from }
    const end = slice.kind === 'part' && slice.end !== undefined ? Math.max(start, Math.min(there, slice.end)) : there
    reply.header('log-start', start)
    if (slice.kind === 'part')
      reply.code(206).header('content-range', contentRange(start, grows ? undefined : end, size))
    if (request.method === 'HEAD') return reply.send(Readable.from([]))
    if (!grows) return reply.send(Readable.from(parts.executor.readOutput(name, start, end)))
    const bytes = followOutput(parts, job, { start, attempt }, untilSent(app, reply))
    return reply.send(Readable.from(abortedAtStop(app, bytes)))
  }
}

/** A signal that is aborted when the client disconnects or the server stops. It is released once the answer is sent. */
function untilSent(app: ApiServer, reply: FastifyReply): AbortSignal {
  const { signal, release } = leaving(app, reply)
  reply.raw.once('close', release)
  return signal
}

/**
 * An answer that a stopping server cannot complete must not look complete: it is aborted, and the client resumes from the
 * byte that it has reached.
 */
async function* abortedAtStop(app: ApiServer, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* bytes
  app.stopping.throwIfAborted()
}

const noAttempt = (job: StoredJob, attempt: number): Problem =>
  new Problem('not-found', `The job ${job.id} has no attempt ${attempt}; it has had ${job.attempt}.`, {
    hint: 'Leave attempt out to read the log of the latest attempt.',
    field: 'attempt',
  })

const forgotten = (job: StoredJob, { config }: Pick<Dependencies, 'config'>): Problem =>
  new Problem('not-found', `The log of job ${job.id} has been deleted.`, {
    hint: `Logs are kept for ${config.retention.logsDays} days.`,
  })

const outside = (range: string, size: number): Problem =>
  new Problem('range-not-satisfiable', `The log has ${size} bytes; none of them is in ${range}.`, {
    hint: 'Request a range that begins within the log.',
    headers: { 'content-range': `bytes */${size}` },
  })
