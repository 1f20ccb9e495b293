import { CancelledJobs, CancelRequest } from '@science-platform/contract'
import type { Caller } from '../../access/authenticate.ts'
import { isAdministrator } from '../../access/may-touch.ts'
import type { CancelJobs } from '../../actions/cancel-jobs.ts'
import { InvalidRequest, shown } from '../../job/invalid.ts'
import { labelFilter } from '../../job/labels.ts'
import { auditOfChange } from '../server/audit-requests.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { callerOf } from '../server/guard.ts'
import { Problem } from '../server/problem.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

/** Requests on many jobs: cancel. */
export function jobSetRoutes(app: ApiServer, parts: Pick<Dependencies, 'store' | 'actions' | 'now'>): void {
  for (const schema of [CancelledJobs, CancelRequest]) app.addSchema(schema)

  app.post(
    '/jobs/cancel',
    {
      config: { scope: 'manage' },
      schema: {
        operationId: 'cancelJobs',
        summary: 'Cancel jobs by their ids, by a label, or by the beginning of their names',
        description:
          'Give exactly one of ids, label and prefix. The request may be repeated: jobs that have ended stay as they are. ' +
          'A label or a prefix selects your own jobs that have not ended.',
        body: CancelRequest,
        response: {
          200: answer<CancelledJobs>('CancelledJobs', 'The ids of the jobs, by what became of them'),
          ...problemResponses,
        },
      },
    },
    async (request) => {
      const caller = callerOf(request)
      const { dryRun = false } = request.body
      const jobs = await wantedJobs(parts.store, caller, request.body)
      request.subject = subjectText(request.body)
      const { cancelled, ended, unknown, isAudited } = await parts.actions.cancelJobs({
        caller,
        jobs,
        audit: auditOfChange(request, 200, parts.now)(request.subject),
        isDryRun: dryRun,
      })
      // A dry run changes nothing.
      request.isAudited = isAudited || dryRun
      return {
        cancelled: [...cancelled],
        ended: [...ended],
        unknown: [...unknown],
        counts: { cancelled: cancelled.length, ended: ended.length, unknown: unknown.length },
      }
    },
  )
}

/** @throws {InvalidRequest} @throws {Problem} */
async function wantedJobs(
  store: Pick<Dependencies['store'], 'account'>,
  caller: Caller,
  { ids, label, prefix, owner }: CancelRequest,
): Promise<Parameters<CancelJobs>[0]['jobs']> {
  const given = Object.entries({ ids, label, prefix }).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  if (given.length !== 1)
    throw new InvalidRequest(
      given[1] ?? 'body',
      `the body has ${given.length === 0 ? 'none' : given.join(' and ')} of ids, label and prefix`,
      'Give exactly one of ids, label and prefix.',
    )
  if (ids !== undefined) {
    if (owner === undefined) return { ids }
    throw new InvalidRequest('owner', 'owner stands beside ids, which name the jobs', 'Leave owner out.')
  }
  const filter = {
    ...(label === undefined ? {} : { label: labelFilter(label) }),
    // Names are stored in lower case.
    ...(prefix === undefined ? {} : { namePrefix: prefix.toLowerCase() }),
  }
  if (owner === undefined || owner === caller.account.name) return { owner: caller.account.name, ...filter }
  if (!isAdministrator(caller))
    throw new Problem('forbidden', `Only an administrator cancels jobs of another user; owner was ${shown(owner)}.`, {
      hint: 'Leave owner out, to cancel your own jobs.',
      field: 'owner',
    })
  if ((await store.account(owner)) === undefined)
    throw new InvalidRequest('owner', `the user ${shown(owner)} does not exist`, 'List the users: GET /api/v1/users.')
  return { owner, ...filter }
}

/** The subject of the request in the audit trail. Pure. */
function subjectText({ ids, label, prefix, owner }: CancelRequest): string {
  if (ids !== undefined) return ids.length === 1 ? (ids[0] ?? '') : `${ids.length} jobs: ${ids.join(' ')}`
  const whose = owner === undefined ? '' : ` of ${owner}`
  return label === undefined ? `prefix ${prefix}${whose}` : `label ${label}${whose}`
}
