import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { createAuthenticator, type Authenticator } from '../../access/authenticate.ts'
import { apiRoutes } from '../api/routes.ts'
import { sendProblem } from '../api/send-problem.ts'
import { actionOf, auditRequests } from './audit-requests.ts'
import { refuseMalformed, rememberArriving } from './client-error.ts'
import { findFaults, healthRoutes } from './health.ts'
import { limitHeads } from './rate-limit-headers.ts'
import { measureRequests, metricsRoute } from './metrics-route.ts'
import type { Dependencies } from './dependencies.ts'
import { rateLimits, type RateLimits } from './rate-limits.ts'
import { arrivalCheckMs, arrivalMs, headArrivalMs, bodyLimit, pathPartLimit, readHeadLimit } from './request-limits.ts'
import { RequestLog } from './request-log.ts'
import { RouteTable } from './route-table.ts'
import { skahaRoutes } from '../skaha/routes.ts'
import { storageRoutes } from '../skaha/storage.ts'
import { refuseUnrouted, unrouted } from './unrouted.ts'

export type { Dependencies } from './dependencies.ts'

/** Overrides of the defaults of {@link createApp}. */
export interface AppOptions {
  /** Milliseconds that open requests may take during close. Default: 5,000. */
  readonly drainMs?: number
  /** Milliseconds that a request may take to arrive. Default: {@link arrivalMs}. */
  readonly arrival?: number
  /** Authenticates callers. Default: against the tokens in the store. */
  readonly authenticator?: Authenticator
  /** Rate limits. Default: those of the configuration. */
  readonly rates?: RateLimits
}

/** Changes that can end a token or reduce its scopes. */
const endsTokens: ReadonlySet<string> = new Set(['token-revoked', 'token-rotated', 'user-changed', 'group-changed'])

/**
 * Creates the HTTP server, not listening yet: `/skaha/v1`, `/skaha/v0` and `/arc` (docs/wire.md), `/api/v1` (docs/api.md),
 * `/healthz` and `/readyz`. Closing it ends open streams. It waits for open requests for at most {@link AppOptions.drainMs}.
 */
export function createApp(
  parts: Dependencies,
  {
    drainMs = 5_000,
    arrival = arrivalMs,
    authenticator = createAuthenticator(parts.store, parts.now, parts.tokenUse),
    rates = rateLimits(parts.config.limits.requests, parts.now),
  }: AppOptions = {},
): FastifyInstance {
  const log: FastifyBaseLogger = parts.log
  const stopping = new AbortController()
  const table = new RouteTable()
  const app = Fastify({
    loggerInstance: log,
    logController: new RequestLog(),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: pathPartLimit },
    exposeHeadRoutes: false,
    bodyLimit,
    http: {
      maxHeaderSize: readHeadLimit,
      headersTimeout: Math.min(headArrivalMs, arrival),
      connectionsCheckingInterval: arrivalCheckMs(arrival),
    },
    requestTimeout: arrival,
    // X-Forwarded-For is trusted only from these proxies.
    trustProxy: [...parts.config.trustedProxies],
    forceCloseConnections: 'idle',
    clientErrorHandler: refuseMalformed,
    frameworkErrors: (error, request, reply) => {
      void sendProblem(error, request, reply)
    },
  })
  app.decorate('stopping', stopping.signal)
  app.decorateRequest('caller', undefined)
  app.decorate('routeTable', table)
  app.decorate('findFaults', findFaults(parts))
  app.decorateRequest('subject', undefined)
  app.decorateRequest('problem', undefined)
  app.decorateRequest('isAudited', false)
  app.addHook('onRoute', (route) => {
    table.add(route.url, route.method, { scope: route.config?.scope, action: actionOf(route) })
  })
  measureRequests(app, parts)
  auditRequests(app, parts)
  limitHeads(app)
  rememberArriving(app)
  app.addHook('preClose', async () => {
    stopping.abort(new Error('the server is stopping'))
    // A client that stops reading its answer would block the stop forever.
    const giveUp = setTimeout(() => {
      app.server.closeAllConnections()
    }, drainMs)
    app.server.once('close', () => {
      clearTimeout(giveUp)
    })
  })
  app.setErrorHandler(sendProblem)
  // A separate plugin: child plugins have their own error formats and would inherit this one.
  app.register(async (elsewhere) => {
    refuseUnrouted(elsewhere, unrouted)
  })
  // Tokens and users that another process changed, and tokens that ended with their jobs.
  const stopFollowing = parts.changes.follow((changes) => {
    if (changes.some(({ kind }) => endsTokens.has(kind))) authenticator.forget()
  })
  app.addHook('onClose', async () => {
    stopFollowing()
  })
  const common = { authenticator, rates }
  healthRoutes(app, parts.notices)
  metricsRoute(app, parts, common)
  app.register(async (api) => apiRoutes(api, parts, common), { prefix: '/api/v1' })
  app.register(async (skaha) => skahaRoutes(skaha, parts, common), { prefix: '/skaha' })
  app.register(async (arc) => storageRoutes(arc, parts), { prefix: '/arc' })
  return app
}
