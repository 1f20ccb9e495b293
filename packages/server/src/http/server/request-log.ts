import { LogController, type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify'

/**
 * What is logged of requests. Never their addresses in full nor their headers: environments, arguments, tokens and
 * registry credentials ride in them.
 */
export class RequestLog extends LogController {
  override incomingRequest(): void {
    // What there is to say is said when it is done.
  }

  override requestCompleted(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    if (error) {
      request.log.warn({ err: error, ...factsOf(request) }, 'an answer could not be sent')
    } else if (isDebugging(request.log)) {
      request.log.debug({ ...factsOf(request), status: reply.statusCode, milliseconds: reply.elapsedTime }, 'request')
    }
  }

  override defaultErrorLog(): void {
    // Our own error handlers log, with what they make of the error.
  }

  override streamError(error: NodeJS.ErrnoException, request: FastifyRequest): void {
    // A client that leaves is none of our concern; a log that cannot be read, or a stop of the server, is.
    const level = error.code === 'ERR_STREAM_PREMATURE_CLOSE' ? 'debug' : 'warn'
    request.log[level]({ err: error, ...factsOf(request) }, 'an answer broke off')
  }

  override routeNotFound(): void {
    // Our own handlers answer, and a wrong address is nothing to log.
  }

  override writeHeadError(error: Error, request: FastifyRequest): void {
    request.log.warn({ err: error, ...factsOf(request) }, 'an answer could not be begun')
  }
}

/** The route as it was declared and not the address: people put secrets there too. */
export const factsOf = (request: FastifyRequest): { method: string; route: string } => ({
  method: request.method,
  route: request.routeOptions.url ?? 'none',
})

const isDebugging = (log: FastifyBaseLogger): boolean => log.level === 'debug' || log.level === 'trace'
