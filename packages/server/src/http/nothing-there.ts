import { Problem } from './problem.ts'
import { pathOf, type RouteTable } from './route-table.ts'

/** What a request is told that no route takes: that its method is wrong, and which are right, or its address. Pure. */
export function nothingThere(table: Pick<RouteTable, 'allowed'>, method: string, url: string): Problem {
  const path = pathOf(url)
  const allowed = table.allowed(path)
  return allowed.length === 0
    ? new Problem('not-found', `There is nothing at ${path}.`, {
        hint: 'The platform is at /skaha/v1 and /api/v1; GET /api/v1/openapi.json lists what there is.',
      })
    : new Problem('method-not-allowed', `${path} does not take ${method}.`, {
        hint: `It takes ${allowed.join(', ')}.`,
        headers: { allow: allowed.join(', ') },
      })
}
