import type { Scope } from '../../access/scopes.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly routeTable: RouteTable
  }
}

/** The order of methods in `Allow`. */
const order = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Regular expressions for a parameter and for `*` in a route. */
const wildcards: Readonly<Record<string, string>> = { ':': '[^/]+', '*': '.*' }

/** A declared route. */
export interface DeclaredRoute {
  readonly method: string
  /** May contain parameters such as `:id`, each one path segment. */
  readonly url: string
  readonly scope: Scope | 'public'
  /** The action name in the audit trail. */
  readonly action: string
}

/** The declaration of a route besides its address. */
interface Declaration {
  readonly scope?: Scope | 'public' | undefined
  readonly action?: string | undefined
}

/**
 * Whether a request is safe (RFC 9110, section 9.2.1): by its method, or because the route declares it. A route declares it
 * when its query is too long for an address. Pure.
 */
export const isSafe = (method: string, config?: { readonly changesNothing?: boolean | undefined }): boolean =>
  method === 'GET' || method === 'HEAD' || config?.changesNothing === true

/** All addresses with their methods and scopes, collected as the routes are declared. */
export class RouteTable {
  readonly #routes: DeclaredRoute[] = []
  readonly #methods = new Map<string, Set<string>>()
  readonly #patterns = new Map<string, RegExp>()

  /** All declared routes. */
  get routes(): readonly DeclaredRoute[] {
    return this.#routes
  }

  /**
   * Adds a declared route.
   * @throws if the route declares no scope, so that no route is public by mistake, or if it is not safe and declares no action
   * name.
   */
  add(url: string, methods: string | readonly string[], { scope, action }: Declaration): void {
    if (scope === undefined) throw new Error(`The route ${url} declares no scope.`)
    const known = this.#methods.get(url) ?? new Set()
    for (const method of typeof methods === 'string' ? [methods] : methods) {
      if (action === undefined && !isSafe(method))
        throw new Error(
          `The route ${method} ${url} has neither an operationId nor a config.action, for the audit trail.`,
        )
      known.add(method)
      this.#routes.push({ method, url, scope, action: action ?? `${method} ${url}` })
    }
    this.#methods.set(url, known)
    const parts = url
      .split('/')
      .map((part) => wildcards[part.charAt(0)] ?? part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    this.#patterns.set(url, new RegExp(`^${parts.join('/')}/?$`))
  }

  /** The methods of an address for `Allow`; empty where the address does not exist. `path` is without query. */
  allowed(path: string): string[] {
    const found = new Set<string>()
    for (const [url, pattern] of this.#patterns) {
      if (pattern.test(path)) for (const method of this.#methods.get(url) ?? []) found.add(method)
    }
    return order.filter((method) => found.has(method))
  }
}

/** The path of a request's address, without its query. */
export const pathOf = (url: string): string => {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}
