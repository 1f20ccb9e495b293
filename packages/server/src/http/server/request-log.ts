import { LogController, type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify'

/**
 * Log records of requests. They contain neither full addresses nor headers, which carry environments, arguments, tokens and
 * registry credentials.
 */
export class RequestLog extends LogController {
  override incomingRequest(): void {
    // A request is logged once, on completion.
  }

  override requestCompleted(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    if (error) {
      request.log.warn({ err: error, ...factsOf(request) }, 'response could not be sent')
    } else if (isDebugging(request.log)) {
      request.log.debug({ ...factsOf(request), status: reply.statusCode, milliseconds: reply.elapsedTime }, 'request')
    }
  }

  override defaultErrorLog(): void {
    // The error handlers of this server log errors themselves.
  }

  override streamError(error: NodeJS.ErrnoException, request: FastifyRequest): void {
    // A client that disconnects is normal. An unreadable log or a server stop is a warning.
    const level = error.code === 'ERR_STREAM_PREMATURE_CLOSE' ? 'debug' : 'warn'
    request.log[level]({ err: error, ...factsOf(request) }, 'response aborted')
  }

  override routeNotFound(): void {
    // The handlers of this server answer unknown addresses, which are not logged.
  }

  override writeHeadError(error: Error, request: FastifyRequest): void {
    request.log.warn({ err: error, ...factsOf(request) }, 'response could not be started')
  }
}

/** The declared route instead of the address: addresses can contain secrets. */
export const factsOf = (request: FastifyRequest): { method: string; route: string } => ({
  method: request.method,
  route: request.routeOptions.url ?? 'none',
})

const isDebugging = (log: FastifyBaseLogger): boolean => log.level === 'debug' || log.level === 'trace'
