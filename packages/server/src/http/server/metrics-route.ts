import type { FastifyInstance } from 'fastify'
import { guard } from './guard.ts'
import type { Dependencies } from './dependencies.ts'

/** Counts and times every request, by the route as it was declared; what no route takes is counted as one. */
export function measureRequests(app: FastifyInstance, { metrics }: Pick<Dependencies, 'metrics'>): void {
  app.addHook('onResponse', (request, reply, done) => {
    metrics.request({
      route: request.routeOptions.url ?? 'none',
      // A route takes few methods; of what none takes, anybody may make up any.
      method: request.routeOptions.url === undefined ? 'none' : request.method,
      status: reply.statusCode,
      seconds: reply.elapsedTime / 1000,
    })
    done()
  })
}

/**
 * `/metrics`, for administrators' tokens: how busy a platform is, is not for everybody. For Prometheus there is the address
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
