import type { Scope } from '../../access/scopes.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly routeTable: RouteTable
  }
}

/** Methods in the order in which `Allow` names them. */
const order = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** What a parameter and a `*` of a route stand for. */
const wildcards: Readonly<Record<string, string>> = { ':': '[^/]+', '*': '.*' }

/** A route as it was declared. */
export interface DeclaredRoute {
  readonly method: string
  /** May hold parameters, `:id`, each one part of the path. */
  readonly url: string
  readonly scope: Scope | 'public'
  /** What the audit trail calls it. */
  readonly action: string
}

/** What a route says of itself besides its address. */
interface Declaration {
  readonly scope?: Scope | 'public' | undefined
  readonly action?: string | undefined
}

/**
 * Whether a request changes nothing (RFC 9110, section 9.2.1): by its method, or because its route says so, whose question
 * is too long for an address. Pure.
 */
export const isSafe = (method: string, config?: { readonly changesNothing?: boolean | undefined }): boolean =>
  method === 'GET' || method === 'HEAD' || config?.changesNothing === true

/** Which addresses there are, what methods they take and for whom they are, learnt from the routes as they are declared. */
export class RouteTable {
  readonly #routes: DeclaredRoute[] = []
  readonly #methods = new Map<string, Set<string>>()
  readonly #patterns = new Map<string, RegExp>()

  /** Every route there is. */
  get routes(): readonly DeclaredRoute[] {
    return this.#routes
  }

  /**
   * A route was declared.
   * @throws where it does not say for whom it is, so that none is open by oversight; and where it changes something and
   * does not say what the audit trail shall call that.
   */
  add(url: string, methods: string | readonly string[], { scope, action }: Declaration): void {
    if (scope === undefined) throw new Error(`The route ${url} does not say who may use it.`)
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

  /** The methods that an address takes, for `Allow`; empty where there is no such address. `path` is without query. */
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
