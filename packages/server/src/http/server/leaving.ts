import type { FastifyInstance, FastifyReply } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    /** Aborted when the server begins to stop: delayed answers end. */
    readonly stopping: AbortSignal
  }
}

/**
 * A signal that is aborted when the client disconnects, when the server stops, or after `milliseconds`.
 * Call `release` to free its listeners once the answer is being sent.
 */
export function leaving(
  app: Pick<FastifyInstance, 'stopping'>,
  reply: FastifyReply,
  milliseconds?: number,
): { readonly signal: AbortSignal; readonly release: () => void } {
  const gone = new AbortController()
  const leave = (): void => {
    gone.abort()
  }
  const timer = milliseconds === undefined ? undefined : setTimeout(leave, milliseconds)
  reply.raw.once('close', leave)
  app.stopping.addEventListener('abort', leave, { once: true })
  if (app.stopping.aborted) leave()
  return {
    signal: gone.signal,
    release: () => {
      clearTimeout(timer)
      reply.raw.off('close', leave)
      app.stopping.removeEventListener('abort', leave)
    },
  }
}
