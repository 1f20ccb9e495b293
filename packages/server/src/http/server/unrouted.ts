import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from './problem.ts'
import { pathOf } from './route-table.ts'

/**
 * Refuses requests without a route in this part of the server. `say` makes the error from the path of the request and the
 * methods of that path; the list is empty where the path is unknown.
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
  // The not-found handler runs after the body is parsed. Without this hook a wrong method would fail for its Content-Type.
  app.addHook('onRequest', async (request) => {
    if (request.is404) await refuse(request)
  })
}

/** The problem for a wrong address or method, with the valid ones. Pure. */
export const unrouted = ({ method }: { readonly method: string }, path: string, allowed: readonly string[]): Problem =>
  allowed.length === 0
    ? new Problem('not-found', `The address ${path} does not exist.`, {
        hint: 'The APIs are at /skaha/v1 and /api/v1; GET /api/v1/openapi.json lists the addresses.',
      })
    : new Problem('method-not-allowed', `${path} does not take ${method}.`, {
        hint: `Use ${allowed.join(', ')}.`,
        headers: { allow: allowed.join(', ') },
      })
