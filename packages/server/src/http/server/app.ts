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

/** What an application is made with, where the defaults will not do. */
export interface AppOptions {
  /** Milliseconds that requests under way may take when it closes. Default: 5,000. */
  readonly drainMs?: number
  /** Milliseconds that a request may take to arrive. Default: {@link arrivalMs}. */
  readonly arrival?: number
  /** Who recognises callers. Default: by the tokens of the store. */
  readonly authenticator?: Authenticator
  /** What counts requests. Default: as the configuration says. */
  readonly rates?: RateLimits
}

/** Changes after which a token may no longer be good, or may do less. */
const endsTokens: ReadonlySet<string> = new Set(['token-revoked', 'token-rotated', 'user-changed', 'group-changed'])

/**
 * The HTTP server, not listening yet: `/skaha/v1`, `/skaha/v0` and `/arc` (docs/wire.md), `/api/v1` (docs/api.md),
 * `/healthz` and `/readyz`. Closing it ends streams that are followed, and waits for requests under way, but no longer than
 * {@link AppOptions.drainMs}.
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
    // Who the client is by X-Forwarded-For counts only where one of these says so.
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
    // Who does not read on what was sent would hold up the stop for ever.
    const giveUp = setTimeout(() => {
      app.server.closeAllConnections()
    }, drainMs)
    app.server.once('close', () => {
      clearTimeout(giveUp)
    })
  })
  app.setErrorHandler(sendProblem)
  // In a part of its own: each part has its own words, and would inherit these.
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
  healthRoutes(app)
  metricsRoute(app, parts, common)
  app.register(async (api) => apiRoutes(api, parts, common), { prefix: '/api/v1' })
  app.register(async (skaha) => skahaRoutes(skaha, parts, common), { prefix: '/skaha' })
  app.register(async (arc) => storageRoutes(arc, parts), { prefix: '/arc' })
  return app
}
