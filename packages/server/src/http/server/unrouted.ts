import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from './problem.ts'
import { pathOf } from './route-table.ts'

/**
 * Refuses what no route of this part of the server takes, with the error that `say` makes of it: of the request's path, and
 * of the methods that the path takes, none where it is no address.
 */
export function refuseUnrouted(
  app: FastifyInstance,
  say: (request: FastifyRequest, path: string, allowed: readonly string[]) => Error,
): void {
  const refuse = async (request: FastifyRequest): Promise<never> => {
    const path = pathOf(request.url)
    throw say(request, path, app.routeTable.allowed(path))
  }
  app.setNotFoundHandler(refuse)
  // The handler alone would come after the body was read: a wrong method would be refused for its Content-Type.
  app.addHook('onRequest', async (request) => {
    if (request.is404) await refuse(request)
  })
}

/** That an address or its method is wrong, and which are right. Pure. */
export const unrouted = ({ method }: { readonly method: string }, path: string, allowed: readonly string[]): Problem =>
  allowed.length === 0
    ? new Problem('not-found', `There is nothing at ${path}.`, {
        hint: 'The platform is at /skaha/v1 and /api/v1; GET /api/v1/openapi.json lists what there is.',
      })
    : new Problem('method-not-allowed', `${path} does not take ${method}.`, {
        hint: `It takes ${allowed.join(', ')}.`,
        headers: { allow: allowed.join(', ') },
      })
