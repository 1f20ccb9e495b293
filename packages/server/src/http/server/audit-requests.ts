import type { ProblemType } from '@science-platform/contract'
import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify'
import { isTokenShaped, prefixLength } from '../../lib/secrets/token-text.ts'
import { subjectOf, type AuditEntry } from '../../audit/entry.ts'
import type { Dependencies } from './dependencies.ts'
import { isSafe, pathOf } from './route-table.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The action name in the audit trail for a route without `operationId`. Every route that changes something has a name. */
    readonly action?: string
  }
  interface FastifyRequest {
    /** The subject of the request in the audit trail. Default: the parameters of its address. */
    subject: string | undefined
    /** The problem type of the answer. */
    problem: ProblemType | undefined
    /** Whether the audit entry was already stored in the transaction of the change. */
    isAudited: boolean
  }
}

/** The action name of a route in the audit trail. Each skaha operation exists once per API version. Pure. */
export const actionOf = ({
  schema,
  config,
}: {
  readonly schema?: FastifySchema | undefined
  readonly config?: { readonly action?: string } | undefined
}): string | undefined => config?.action ?? schema?.operationId?.replace(/^v\d\./, '')

/**
 * Writes the audit trail of HTTP requests: every request that would change something, whatever its outcome, and every
 * request refused for its caller (401, 403, 429). A change is answered only after its entry is on the disk.
 */
export function auditRequests(app: FastifyInstance, { audit, now }: Pick<Dependencies, 'audit' | 'now'>): void {
  app.addHook('onSend', async (request, reply) => {
    const { scope } = request.routeOptions.config
    const refused = isRefusal(reply.statusCode)
    // Unknown addresses and public reads are not audited.
    if (scope === undefined || scope === 'public' || (isSafe(request.method, request.routeOptions.config) && !refused))
      return
    if (request.isAudited && reply.statusCode < 400) return
    const entry = entryOf(request, reply.statusCode, now())
    if (refused) audit.refused(entry)
    else await audit.record(entry)
  })
}

/** Whether a status means that the caller was not authenticated, not permitted, or rate limited. */
const isRefusal = (status: number): boolean => status === 401 || status === 403 || status === 429

/** The audit entry of a request that is answered with `status`. */
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

/** The prefix of a well-formed token: it identifies an expired or revoked token. Nothing of any other header is stored. */
function shownPrefix(header: string | undefined): string | undefined {
  const token = header?.split(' ').at(-1)
  return token !== undefined && isTokenShaped(token) ? token.slice(0, prefixLength) : undefined
}

/** Makes the audit entry of a change, which is stored in the transaction of that change. `status` is the answer on success. */
export const auditOfChange =
  (request: FastifyRequest, status: number, now: () => number) =>
  (subject: string): AuditEntry => ({ ...entryOf(request, status, now()), subject: subjectOf(subject) })
