import { CancelledJobs, CancelRequest, JobBatch, type Submitted } from '@science-platform/contract'
import type { Caller } from '../../access/authenticate.ts'
import { isAdministrator } from '../../access/may-touch.ts'
import type { CancelJobs } from '../../actions/cancel-jobs.ts'
import { InvalidRequest, shown } from '../../job/invalid.ts'
import { labelFilter } from '../../job/labels.ts'
import { auditOfChange } from '../server/audit-requests.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { callerOf } from '../server/guard.ts'
import { Problem } from '../server/problem.ts'
import { batchBodyLimit } from '../server/request-limits.ts'
import { registryAuth } from '../views/registry-auth.ts'
import type { ApiServer } from './api-server.ts'
import { idempotencyOf } from './idempotency.ts'
import { SubmissionHeaders } from './jobs.ts'
import { sendSubmitted } from './send-submitted.ts'
import { answer, problemResponses } from './responses.ts'

/** Requests on many jobs: submit and cancel. */
export function jobSetRoutes(app: ApiServer, parts: Pick<Dependencies, 'store' | 'actions' | 'now'>): void {
  for (const schema of [CancelledJobs, CancelRequest]) app.addSchema(schema)
  const { jobs } = JobBatch.properties
  // The document names the schema of a request; validation uses all of it.
  app.addSchema({ ...JobBatch, properties: { jobs: { ...jobs, items: { $ref: 'JobRequest#' } } } })

  app.post(
    '/jobs/batch',
    {
      config: { scope: 'submit' },
      bodyLimit: batchBodyLimit,
      schema: {
        operationId: 'submitJobBatch',
        summary: 'Submit up to 1,000 unlike jobs or arrays: all or none',
        description:
          'The ids are in the order of the requests; one with replicas has that many in a row. Together the requests may ask for ' +
          'as many jobs as one may. An error names the request: jobs[3].cores. An Idempotency-Key and ' +
          'X-Skaha-Registry-Auth count for all of them.',
        headers: SubmissionHeaders,
        body: JobBatch,
        response: {
          201: answer<Submitted>('Submitted', 'The ids in the order of the requests; Location is the first job'),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const outcome = await parts.actions.submit({
        caller,
        requests: request.body.jobs,
        registryAuth: registryAuth(request.headers['x-skaha-registry-auth']),
        idempotency: idempotencyOf(request.headers['idempotency-key'], caller.account.name, request.body),
        audit: auditOfChange(request, 201, parts.now),
      })
      return sendSubmitted(request, reply, outcome)
    },
  )

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
