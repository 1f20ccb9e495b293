import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Authenticator, Caller, Refusal } from '../../access/authenticate.ts'
import { isAdministrator } from '../../access/may-touch.ts'
import type { Scope } from '../../access/scopes.ts'
import { Problem } from './problem.ts'
import type { RateLimits } from './rate-limits.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope that a caller needs; `public` admits all callers. Every route declares it. */
    readonly scope?: Scope | 'public'
    /** A POST that only reads. It counts as a read and is not audited. */
    readonly changesNothing?: boolean
  }
  interface FastifyRequest {
    /** The authenticated caller; undefined on public routes only. */
    caller: Caller | undefined
  }
}

/**
 * Admits only callers with the scope of the route, `config.scope`. `route-table.ts` requires that every route declares it.
 * Calls `onCaller` for each authenticated caller.
 */
export function guard(
  app: FastifyInstance,
  { authenticator, rates }: { readonly authenticator: Pick<Authenticator, 'authenticate'>; readonly rates: RateLimits },
  onCaller?: (caller: Caller, setHeader: (name: string, value: string) => void) => void,
): void {
  app.addHook('onRequest', async (request, reply) => {
    // Answers are private to the caller: intermediate caches must not store them.
    reply.header('cache-control', 'no-store')
    const { scope } = request.routeOptions.config
    if (scope === undefined || scope === 'public') return
    const caller = await authenticator.authenticate(request.headers.authorization)
    if (typeof caller === 'string') {
      rates.refuse(request)
      throw unauthenticated(caller)
    }
    // Set before the scope check, so that the audit trail has the caller of a refused request.
    request.caller = caller
    if (caller.tokenExpiresAt !== undefined)
      reply.header('x-token-expires', new Date(caller.tokenExpiresAt).toISOString())
    rates.admit(caller, request, reply)
    if (!caller.scopes.has(scope)) throw outOfScope(scope)
    if (scope === 'admin' && !isAdministrator(caller)) throw outOfScope(scope)
    onCaller?.(caller, (name, value) => void reply.header(name, value))
  })
}

/** The authenticated caller. Every route that is not public has a caller. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined)
    throw new Error(`The route ${request.routeOptions.url ?? ''} is public: it has no caller.`)
  return request.caller
}

const refusals: Readonly<Record<Refusal, string>> = {
  missing: 'The request carries no token.',
  malformed: 'The Authorization header is not of the form: Bearer TOKEN.',
  unknown: 'The token does not exist on this server.',
  expired: 'The token has expired.',
  revoked: 'The token was revoked.',
}

function unauthenticated(refusal: Refusal): Problem {
  // RFC 6750, section 3: without credentials the challenge carries no error.
  const challenge = refusal === 'missing' ? '' : ', error="invalid_token"'
  return new Problem('unauthenticated', refusals[refusal], {
    hint:
      refusal === 'missing'
        ? 'Send the header Authorization: Bearer TOKEN.'
        : 'Get a new token: science-platform token create NAME.',
    headers: { 'www-authenticate': `Bearer realm="science-platform"${challenge}` },
  })
}

const outOfScope = (scope: Scope): Problem =>
  new Problem('forbidden', `The token lacks the scope ${scope}.`, {
    hint: `Use a token with the scope ${scope}: canfar auth token create --scope ${scope}.`,
    headers: { 'www-authenticate': `Bearer realm="science-platform", error="insufficient_scope", scope="${scope}"` },
  })
