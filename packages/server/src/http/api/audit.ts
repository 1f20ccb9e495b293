import { AuditEntry, AuditPage, AuditQuery } from '@science-platform/contract'
import type { StoredAuditEntry } from '../../audit/entry.ts'
import { InvalidRequest } from '../../job/invalid.ts'
import { instant } from '../views/job-view.ts'
import type { Dependencies } from '../server/dependencies.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

/** `/audit`: the audit trail, read-only, for administrators. */
export function auditRoutes(app: ApiServer, { store }: Pick<Dependencies, 'store'>): void {
  for (const schema of [AuditEntry, AuditPage]) app.addSchema(schema)
  app.get(
    '/audit',
    {
      config: { scope: 'admin' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'listAudit',
        summary: 'The audit trail, newest first',
        querystring: AuditQuery,
        response: {
          200: answer<AuditPage>('AuditPage', 'A page; next is the cursor of the next page'),
          ...problemResponses,
        },
      },
    },
    async (request) => {
      const { user, action, subject, since, until, limit = 50, cursor } = request.query
      const entries = await store.audit({
        ...(user === undefined ? {} : { actor: user }),
        ...(action === undefined ? {} : { action }),
        ...(subject === undefined ? {} : { subject }),
        ...(since === undefined ? {} : { since: millisecondsOf('since', since) }),
        ...(until === undefined ? {} : { until: millisecondsOf('until', until) }),
        ...(cursor === undefined ? {} : { after: Number(cursor) }),
        order: 'newest-first',
        // One entry more than requested shows whether there is a next page.
        limit: limit + 1,
      })
      const page = entries.slice(0, limit)
      const last = page.at(-1)
      return {
        entries: page.map(auditView),
        ...(entries.length > limit && last !== undefined ? { next: String(last.seq) } : {}),
      }
    },
  )
}

/** An audit entry in the API. Pure. */
const auditView = ({ at, ...entry }: StoredAuditEntry): AuditEntry => ({ ...entry, at: instant(at) })

/** @throws {InvalidRequest} where the text has the form of an instant but is invalid, such as a leap second. */
function millisecondsOf(field: string, text: string): number {
  const at = Date.parse(text)
  if (Number.isNaN(at))
    throw new InvalidRequest(field, `${field} is ${text}`, 'Use an instant such as 2026-11-23T08:00:00Z.')
  return at
}
