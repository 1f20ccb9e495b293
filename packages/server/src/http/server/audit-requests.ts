import type { ProblemType } from '@science-platform/contract'
import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify'
import { isTokenShaped, prefixLength } from '../../lib/secrets/token-text.ts'
import { subjectOf, type AuditEntry } from '../../audit/entry.ts'
import type { Dependencies } from './dependencies.ts'
import { isSafe, pathOf } from './route-table.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the audit trail calls this, where the route has no `operationId`. Every route that changes something has a name. */
    readonly action?: string
  }
  interface FastifyRequest {
    /** What the request is about, for the audit trail; default: the parameters of its address. */
    subject: string | undefined
    /** The kind of problem it was answered with. */
    problem: ProblemType | undefined
    /** Whether its success is in the audit trail already, stored together with what it did. */
    isAudited: boolean
  }
}

/** What the audit trail calls a route: the skaha wire has each operation once for each of its versions. Pure. */
export const actionOf = ({
  schema,
  config,
}: {
  readonly schema?: FastifySchema | undefined
  readonly config?: { readonly action?: string } | undefined
}): string | undefined => config?.action ?? schema?.operationId?.replace(/^v\d\./, '')

/**
 * Writes the audit trail of what is asked over HTTP: every request that would change something, however it came out, and
 * every one that was refused for who asked. A change is told to its client when its entry is on the disk.
 */
export function auditRequests(app: FastifyInstance, { audit, now }: Pick<Dependencies, 'audit' | 'now'>): void {
  app.addHook('onSend', async (request, reply) => {
    const { scope } = request.routeOptions.config
    const refused = isRefusal(reply.statusCode)
    // Addresses that are none, and what everybody may read, are nobody's doing.
    if (scope === undefined || scope === 'public' || (isSafe(request.method, request.routeOptions.config) && !refused))
      return
    if (request.isAudited && reply.statusCode < 400) return
    const entry = entryOf(request, reply.statusCode, now())
    if (refused) audit.refused(entry)
    else await audit.record(entry)
  })
}

/** Whether a status says that somebody was not let in, or not now. */
const isRefusal = (status: number): boolean => status === 401 || status === 403 || status === 429

/** What the audit trail tells of a request that is, or will be, answered with a status. */
function entryOf(request: FastifyRequest, status: number, at: number): AuditEntry {
  const { caller, problem } = request
  const subject =
    request.subject ?? Object.values((request.params as Record<string, string> | undefined) ?? {}).join('/')
  const tokenPrefix = caller?.tokenPrefix ?? shownPrefix(request.headers.authorization)
  return {
    at,
    ...(caller === undefined ? {} : { actor: caller.account.name }),
    via: pathOf(request.url).startsWith('/skaha') ? 'skaha' : 'api',
    ...(tokenPrefix === undefined ? {} : { tokenPrefix }),
    ...(caller?.tokenJob === undefined ? {} : { tokenJob: caller.tokenJob }),
    action: actionOf(request.routeOptions) ?? `${request.method} ${request.routeOptions.url ?? ''}`,
    ...(subject === '' ? {} : { subject: subjectOf(subject) }),
    address: request.ip,
    outcome: status < 400 ? 'done' : status < 500 ? 'refused' : 'failed',
    status,
    ...(problem === undefined ? {} : { problem }),
    count: 1,
  }
}

/** The beginning of what has the form of a token: an expired or a revoked one is recognised by it. Of anything else nothing is kept. */
function shownPrefix(header: string | undefined): string | undefined {
  const token = header?.split(' ').at(-1)
  return token !== undefined && isTokenShaped(token) ? token.slice(0, prefixLength) : undefined
}

/**
 * What a submission is given for the audit trail, so that its entry is stored together with its jobs. `status` is what it
 * is answered with then.
 */
export const auditOfSubmission =
  (request: FastifyRequest, status: number, now: () => number) =>
  (subject: string): AuditEntry => ({ ...entryOf(request, status, now()), subject: subjectOf(subject) })
