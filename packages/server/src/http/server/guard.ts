import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Authenticator, Caller, Refusal } from '../../access/authenticate.ts'
import { isAdministrator } from '../../access/may-touch.ts'
import type { Scope } from '../../access/scopes.ts'
import { Problem } from './problem.ts'
import type { RateLimits } from './rate-limits.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a caller needs to be allowed in; `public` lets everybody in. Every route says. */
    readonly scope?: Scope | 'public'
    /** A POST that only reads: it is counted as a read, and not audited. */
    readonly changesNothing?: boolean
  }
  interface FastifyRequest {
    /** Who asks; undefined on public routes alone. */
    caller: Caller | undefined
  }
}

/**
 * Lets in only who the routes of this part of the server are for: `config.scope` says (`route-table.ts` wants it of every
 * route). `onCaller` is told of everybody who was recognised.
 */
export function guard(
  app: FastifyInstance,
  { authenticator, rates }: { readonly authenticator: Pick<Authenticator, 'authenticate'>; readonly rates: RateLimits },
  onCaller?: (caller: Caller, setHeader: (name: string, value: string) => void) => void,
): void {
  app.addHook('onRequest', async (request, reply) => {
    // What a caller reads is for that caller: no cache between may keep it.
    reply.header('cache-control', 'no-store')
    const { scope } = request.routeOptions.config
    if (scope === undefined || scope === 'public') return
    const caller = await authenticator.authenticate(request.headers.authorization)
    if (typeof caller === 'string') {
      rates.refuse(request)
      throw unauthenticated(caller)
    }
    // Known from here on, also to the audit trail where he is refused.
    request.caller = caller
    if (caller.tokenExpiresAt !== undefined)
      reply.header('x-token-expires', new Date(caller.tokenExpiresAt).toISOString())
    rates.admit(caller, request, reply)
    if (!caller.scopes.has(scope)) throw outOfScope(scope)
    if (scope === 'admin' && !isAdministrator(caller)) throw outOfScope(scope)
    onCaller?.(caller, (name, value) => void reply.header(name, value))
  })
}

/** Who asks. On a route that is not public there is always somebody. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined)
    throw new Error(`The route ${request.routeOptions.url ?? ''} is public: it has no caller.`)
  return request.caller
}

const refusals: Readonly<Record<Refusal, string>> = {
  missing: 'The request carries no token.',
  malformed: 'The Authorization header is not of the form: Bearer TOKEN.',
  unknown: 'The token is not known here.',
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
        : 'Ask for a new one: science-platform token create NAME.',
    headers: { 'www-authenticate': `Bearer realm="science-platform"${challenge}` },
  })
}

const outOfScope = (scope: Scope): Problem =>
  new Problem('forbidden', `The token was not made for this: it has not the scope ${scope}.`, {
    hint: `Ask for a token with --scope ${scope}.`,
    headers: { 'www-authenticate': `Bearer realm="science-platform", error="insufficient_scope", scope="${scope}"` },
  })
