import type { FastifyInstance } from 'fastify'
import type { HttpParts } from './parts.ts'

/** `/healthz`: the process answers. `/readyz`: it can also reach its store. For probes, without a token. */
export function healthRoutes(app: FastifyInstance, parts: Pick<HttpParts, 'store' | 'log'>): void {
  const open = { config: { scope: 'public' }, exposeHeadRoute: true } as const
  app.get('/healthz', open, (_request, reply) => reply.type('text/plain').send('ok\n'))
  app.get('/readyz', open, async (_request, reply) => {
    const fault = await storeFault(parts)
    return fault === undefined
      ? reply.type('text/plain').send('ready\n')
      : reply.code(503).type('text/plain').send(`${fault}\n`)
  })
}

/** Why the store cannot be used now; undefined where it can. */
export async function storeFault({ store, log }: Pick<HttpParts, 'store' | 'log'>): Promise<string | undefined> {
  try {
    // Any look-up by a key would do; no job has this id.
    await store.job('-')
    return undefined
  } catch (error) {
    log.error({ err: error }, 'the store does not answer')
    return 'the store does not answer'
  }
}
