import {
  Attempt,
  Cause,
  EndedJob,
  isEnded,
  longestWaitSeconds,
  Job,
  JobEvent,
  JobEvents,
  JobListQuery,
  JobPage,
  JobRequest,
  jobStates,
  Resources,
  Submitted,
  Usage,
  Waited,
  WaitRequest,
  Why,
  type JobState,
} from '@science-platform/contract'
import Type from 'typebox'
import type { Caller } from '../../access/authenticate.ts'
import { InvalidRequest, shown } from '../../job/invalid.ts'
import type { StoredJob } from '../../job/job.ts'
import { waitForAny } from '../../actions/wait.ts'
import { mayTouchJobsOf } from '../../access/may-touch.ts'
import { findJob } from '../views/find-job.ts'
import { namedJobs } from '../views/named-jobs.ts'
import { auditOfSubmission } from '../server/audit-requests.ts'
import { callerOf } from '../server/guard.ts'
import { jobEvents } from '../views/job-events.ts'
import { endedJobView, instant, viewJob, viewJobs } from '../views/job-view.ts'
import { leaving } from '../server/leaving.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { Problem } from '../server/problem.ts'
import { registryAuth } from '../views/registry-auth.ts'
import type { ApiServer } from './api-server.ts'
import { cursorAfter, readCursor } from './cursor.ts'
import { idempotencyOf } from './idempotency.ts'
import { answer, problemResponses } from './responses.ts'

/** The `:id` in the address of a job. */
export const JobAddress = Type.Object({ id: Type.String({ description: 'The id of a job.', examples: ['k3x9a0qz'] }) })

/** The job of an address. @throws {Problem} where there is none that is the caller's business. */
export async function jobAt(store: Dependencies['store'], caller: Caller, id: string): Promise<StoredJob> {
  const job = await findJob(store, caller, id)
  if (job !== undefined) return job
  const named = await namedJobs(store, caller, id)
  throw new Problem('job-not-found', named ?? `There is no job ${shown(id)}, or it is not yours.`, {
    hint: named === undefined ? 'canfar ps --all lists yours.' : 'Put the id in the place of the name.',
  })
}

/** `/jobs`: submit, list, look at, wait for and cancel. */
export function jobRoutes(
  app: ApiServer,
  parts: Pick<Dependencies, 'store' | 'executor' | 'watch' | 'actions' | 'queue' | 'now'>,
): void {
  for (const schema of [
    Attempt,
    Cause,
    EndedJob,
    Job,
    JobEvent,
    JobEvents,
    JobPage,
    JobRequest,
    Resources,
    Submitted,
    Usage,
    Waited,
    WaitRequest,
    Why,
  ])
    app.addSchema(schema)
  const { store, actions } = parts

  app.post(
    '/jobs',
    {
      config: { scope: 'submit' },
      schema: {
        operationId: 'submitJobs',
        summary: 'Submit one job, or several from one request, all or none',
        description:
          'With an Idempotency-Key the same request may be sent again, after a broken connection for instance: it answers ' +
          'with the ids of the first time and Idempotency-Replayed: true.',
        headers: Type.Object({
          'Idempotency-Key': Type.Optional(Type.String({ maxLength: 255 })),
          'X-Skaha-Registry-Auth': Type.Optional(
            Type.String({
              description: 'user:secret for the registry of a private image, in base64, for this job alone.',
            }),
          ),
        }),
        body: JobRequest,
        response: {
          201: answer<Submitted>('Submitted', 'The ids, in the order of REPLICA_ID; Location is the first one'),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const idempotency = idempotencyOf(request.headers['idempotency-key'], caller.account.name, request.body)
      const outcome = await actions.submit({
        caller,
        request: request.body,
        registryAuth: registryAuth(request.headers['x-skaha-registry-auth']),
        idempotency,
        audit: auditOfSubmission(request, 201, parts.now),
      })
      request.isAudited = outcome.outcome === 'stored'
      if (outcome.outcome === 'conflict') {
        throw new Problem('idempotency-conflict', 'This Idempotency-Key was used for another request.', {
          hint: 'Use a new key for each submission, and the same only to send the very same again.',
          field: 'Idempotency-Key',
        })
      }
      if (outcome.outcome === 'repeated') reply.header('idempotency-replayed', 'true')
      const [first = ''] = outcome.ids
      request.subject = first
      return reply
        .code(201)
        .header('location', `/api/v1/jobs/${first}`)
        .send({ ids: [...outcome.ids] })
    },
  )

  app.get(
    '/jobs',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'listJobs',
        summary: 'Your jobs, page by page',
        querystring: JobListQuery,
        response: {
          200: answer<JobPage>('JobPage', 'A page; next is the cursor of the following one'),
          ...problemResponses,
        },
      },
    },
    async (request) => {
      const { state, name, array, limit = 50, cursor, sort = '-submitted' } = request.query
      const jobs = await store.jobs({
        owner: callerOf(request).account.name,
        ...(state === undefined ? {} : { states: readStates(state) }),
        ...(name === undefined ? {} : { namePrefix: name.toLowerCase() }),
        ...(array === undefined ? {} : { arrayId: array }),
        sort,
        // One more than asked for tells whether there is a next page.
        limit: limit + 1,
        ...(cursor === undefined ? {} : { after: readCursor(cursor, sort) }),
      })
      const page = jobs.slice(0, limit)
      const last = page.at(-1)
      const more = jobs.length > limit && last !== undefined
      return { jobs: await viewJobs(parts, page), ...(more ? { next: cursorAfter(last, sort) } : {}) }
    },
  )

  app.get(
    '/jobs/:id',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'getJob',
        summary: 'One job with its attempts, usage and cause',
        params: JobAddress,
        response: { 200: answer<Job>('Job', 'The job'), ...problemResponses },
      },
    },
    async (request) => viewJob(parts, await jobAt(store, callerOf(request), request.params.id)),
  )

  app.post(
    '/jobs/:id/cancel',
    {
      config: { scope: 'manage' },
      schema: {
        operationId: 'cancelJob',
        summary: 'End a job',
        description: '202: it was asked to end. 200: it had ended already and is left as it was.',
        params: JobAddress,
        response: {
          200: answer<Job>('Job', 'It had ended already'),
          202: answer<Job>('Job', 'It was asked to end, or has ended with that'),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const { before, job } = await actions.cancel(await jobAt(store, caller, request.params.id), caller)
      return reply.code(isEnded(before.state) ? 200 : 202).send(await viewJob(parts, job))
    },
  )

  app.get(
    '/jobs/:id/wait',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'waitForJob',
        summary: 'Wait until a job has ended, or for so many seconds',
        description: 'Answers the job as it is then. Ask again while its state is not an end.',
        params: JobAddress,
        querystring: Type.Object(
          {
            timeout: Type.Optional(
              Type.Number({ minimum: 0, maximum: longestWaitSeconds, default: 30, description: 'Seconds.' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: answer<Job>('Job', 'The job'), ...problemResponses },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const { id } = await jobAt(store, caller, request.params.id)
      const { signal, release } = leaving(app, reply, (request.query.timeout ?? 30) * 1000)
      try {
        await waitForAny(parts, [id], isOf(caller), signal)
      } finally {
        release()
      }
      return viewJob(parts, await jobAt(store, caller, id))
    },
  )

  app.post(
    '/jobs/wait',
    {
      config: { scope: 'read', changesNothing: true },
      schema: {
        operationId: 'waitForJobs',
        summary: 'Wait until one or more of up to 1,000 jobs have ended, or for so many seconds',
        description:
          'Answers at once where one has ended already or is unknown. Ends that come together share an answer. Leave out ' +
          'the ids that were told when asking again; empty lists mean that the time was over.',
        body: WaitRequest,
        response: {
          200: answer<Waited>('Waited', 'Those that have ended, and ids of none of yours'),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const { ids, timeout = 30 } = request.body
      const { signal, release } = leaving(app, reply, timeout * 1000)
      try {
        const { ended, unknown } = await waitForAny(parts, ids, isOf(callerOf(request)), signal)
        return { ended: ended.map(({ job, attempt }) => endedJobView(job, attempt)), unknown: [...unknown] }
      } finally {
        release()
      }
    },
  )

  app.get(
    '/jobs/:id/events',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'listJobEvents',
        summary: 'What happened to a job, oldest first',
        params: JobAddress,
        response: { 200: answer<JobEvents>('JobEvents', 'The events'), ...problemResponses },
      },
    },
    async (request) => {
      const job = await jobAt(store, callerOf(request), request.params.id)
      const events = await jobEvents(parts, job)
      return { events: events.map(({ at, type, reason, message }) => ({ at: instant(at), type, reason, message })) }
    },
  )

  app.get(
    '/jobs/:id/why',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'getJobWhy',
        summary: 'Why a job waits, when it is expected to start, and what would start it sooner',
        description: 'Of other jobs it tells how many there are and what they ask for, never whose they are.',
        params: JobAddress,
        response: { 200: answer<Why>('Why', 'Why'), ...problemResponses },
      },
    },
    async (request) => parts.queue.why(await jobAt(store, callerOf(request), request.params.id)),
  )
}

/** Whether a job is the caller's business. */
const isOf = (caller: Caller): ((job: StoredJob) => boolean) => {
  const owner = mayTouchJobsOf(caller)
  return (job) => owner === undefined || job.owner === owner
}

/** @throws {InvalidRequest} naming the word that is no state. */
function readStates(text: string): JobState[] {
  const words = text.split(',').map((word) => word.trim())
  const wrong = words.find((word) => !jobStates.includes(word as JobState))
  if (wrong !== undefined) {
    throw new InvalidRequest('state', `state names ${shown(wrong)}`, `The states are: ${jobStates.join(', ')}.`)
  }
  return words as JobState[]
}
