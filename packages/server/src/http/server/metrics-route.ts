import type { FastifyInstance } from 'fastify'
import { guard } from './guard.ts'
import type { Dependencies } from './dependencies.ts'

/** Counts and times every request by its declared route. Requests without a route share one label. */
export function measureRequests(app: FastifyInstance, { metrics }: Pick<Dependencies, 'metrics'>): void {
  app.addHook('onResponse', (request, reply, done) => {
    metrics.request({
      route: request.routeOptions.url ?? 'none',
      // Declared routes have few methods. Without a route the method is arbitrary input and would create series.
      method: request.routeOptions.url === undefined ? 'none' : request.method,
      status: reply.statusCode,
      seconds: reply.elapsedTime / 1000,
    })
    done()
  })
}

/**
 * `/metrics`, for administrator tokens: the load of a platform is not public. Prometheus can use the address
 * `metrics.listen`, which needs no token.
 */
export function metricsRoute(
  app: FastifyInstance,
  { metrics }: Pick<Dependencies, 'metrics'>,
  common: Parameters<typeof guard>[1],
): void {
  app.register(async (part) => {
    guard(part, common)
    part.get('/metrics', { config: { scope: 'admin' } }, async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.text()),
    )
  })
}
