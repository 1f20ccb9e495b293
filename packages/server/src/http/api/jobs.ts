import {
  Attempt,
  Cause,
  EndedJob,
  isEnded,
  longestWaitSeconds,
  Job,
  JobEvent,
  JobEvents,
  JobFields,
  JobFieldsPage,
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
import type { JobOutline, StoredJob } from '../../job/job.ts'
import { labelFilter } from '../../job/labels.ts'
import { waitForAny } from '../../actions/wait.ts'
import { mayTouchJobsOf } from '../../access/may-touch.ts'
import { findJob } from '../views/find-job.ts'
import { namedJobs } from '../views/named-jobs.ts'
import { auditOfChange } from '../server/audit-requests.ts'
import { callerOf } from '../server/guard.ts'
import { jobEvents } from '../views/job-events.ts'
import {
  endedJobView,
  instant,
  isOutlined,
  readFields,
  viewJob,
  viewJobs,
  viewOutlines,
  withFields,
} from '../views/job-view.ts'
import { leaving } from '../server/leaving.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { Problem } from '../server/problem.ts'
import { registryAuth } from '../views/registry-auth.ts'
import type { ApiServer } from './api-server.ts'
import { cursorAfter, readCursor } from './cursor.ts'
import { idempotencyOf } from './idempotency.ts'
import { sendSubmitted } from './send-submitted.ts'
import { answer, problemResponses } from './responses.ts'

/** Headers of a submission. */
export const SubmissionHeaders = Type.Object({
  'Idempotency-Key': Type.Optional(Type.String({ maxLength: 255 })),
  'X-Skaha-Registry-Auth': Type.Optional(
    Type.String({
      description: 'user:secret for the registry of a private image, in base64. Only these jobs use it.',
    }),
  ),
})

/** The `:id` in the address of a job. */
export const JobAddress = Type.Object({ id: Type.String({ description: 'The id of a job.', examples: ['k3x9a0qz'] }) })

/** The job of an address. @throws {Problem} where it does not exist or the caller may not access it. */
export async function jobAt(store: Dependencies['store'], caller: Caller, id: string): Promise<StoredJob> {
  const job = await findJob(store, caller, id)
  if (job !== undefined) return job
  const named = await namedJobs(store, caller, id)
  throw new Problem('job-not-found', named ?? `The job ${shown(id)} does not exist, or belongs to another user.`, {
    hint: named === undefined ? 'List your jobs: canfar ps --all.' : 'Put the id in the place of the name.',
  })
}

/** `/jobs`: submit, list, show, explain, cancel and wait. */
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
    JobFields,
    JobFieldsPage,
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
        summary: 'Submit a job, or an array of jobs: all or none',
        description:
          'With an Idempotency-Key the same request may be repeated, for instance after a broken connection: the answer has ' +
          'the ids of the first submission and Idempotency-Replayed: true.',
        headers: SubmissionHeaders,
        body: JobRequest,
        response: {
          201: answer<Submitted>('Submitted', 'The ids in the order of REPLICA_ID; Location is the first job'),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const idempotency = idempotencyOf(request.headers['idempotency-key'], caller.account.name, request.body)
      const outcome = await actions.submit({
        caller,
        requests: request.body,
        registryAuth: registryAuth(request.headers['x-skaha-registry-auth']),
        idempotency,
        audit: auditOfChange(request, 201, parts.now),
      })
      return sendSubmitted(request, reply, outcome)
    },
  )

  app.get(
    '/jobs',
    {
      config: { scope: 'read' },
      // A serializer by the schema would validate each page, to find which of the two it is.
      serializerCompiler: () => JSON.stringify,
      exposeHeadRoute: true,
      schema: {
        operationId: 'listJobs',
        summary: 'Your jobs, in pages',
        description:
          'With fields, each job has the named fields alone, those among them included that are required otherwise.',
        querystring: JobListQuery,
        response: {
          200: {
            description: 'A page; next is the cursor of the next page',
            content: {
              'application/json': {
                schema: Type.Unsafe<JobPage | JobFieldsPage>(
                  Type.Union([Type.Ref('JobPage'), Type.Ref('JobFieldsPage')]),
                ),
              },
            },
          },
          ...problemResponses,
        },
      },
    },
    async (request) => {
      const { state, name, array, label, limit = 50, cursor, sort = '-submitted' } = request.query
      const fields = request.query.fields === undefined ? undefined : readFields(request.query.fields)
      const filter = {
        owner: callerOf(request).account.name,
        ...(state === undefined ? {} : { states: readStates(state) }),
        ...(name === undefined ? {} : { namePrefix: name.toLowerCase() }),
        ...(array === undefined ? {} : { arrayId: array }),
        ...(label === undefined ? {} : { label: labelFilter(label) }),
        sort,
        // One job more than requested shows whether there is a next page.
        limit: limit + 1,
        ...(cursor === undefined ? {} : { after: readCursor(cursor, sort) }),
      }
      const next = (jobs: readonly JobOutline[]): { readonly next?: string } => {
        const last = jobs[limit - 1]
        return jobs.length > limit && last !== undefined ? { next: cursorAfter(last, sort) } : {}
      }
      if (fields === undefined) {
        const jobs = await store.jobs(filter)
        return { jobs: await viewJobs(parts, jobs.slice(0, limit)), ...next(jobs) }
      }
      if (isOutlined(fields)) {
        const jobs = await store.jobOutlines(filter)
        return { jobs: await viewOutlines(parts, jobs.slice(0, limit), fields), ...next(jobs) }
      }
      const jobs = await store.jobs(filter)
      const views = await viewJobs(parts, jobs.slice(0, limit), fields)
      return { jobs: views.map((view) => withFields(view, fields)), ...next(jobs) }
    },
  )

  app.get(
    '/jobs/:id',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'getJob',
        summary: 'A job with its attempts, usage and cause',
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
        summary: 'Cancel a job',
        description: '202: the job is cancelled, or stops now. 200: the job had already ended and is unchanged.',
        params: JobAddress,
        response: {
          200: answer<Job>('Job', 'The job had already ended'),
          202: answer<Job>('Job', 'The job is cancelled, or stops now'),
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
        summary: 'Wait until a job has ended, or until the timeout',
        description: 'Answers with the job. Repeat the request while its state is not final.',
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
      const job = await jobAt(store, caller, request.params.id)
      if (isEnded(job.state)) return viewJob(parts, job)
      const { signal, release } = leaving(app, reply, (request.query.timeout ?? 30) * 1000)
      try {
        const [ended] = (await waitForAny(parts, [job.id], isOf(caller), signal)).ended
        return await viewJob(parts, ended?.job ?? (await jobAt(store, caller, job.id)))
      } finally {
        release()
      }
    },
  )

  app.post(
    '/jobs/wait',
    {
      config: { scope: 'read', changesNothing: true },
      schema: {
        operationId: 'waitForJobs',
        summary: 'Wait until at least one of up to 1,000 jobs has ended, or until the timeout',
        description:
          'Answers at once where a job has already ended or an id is unknown. Jobs that end together are in one answer. ' +
          'Empty lists mean a timeout. Repeat the request without the ids of earlier answers.',
        body: WaitRequest,
        response: {
          200: answer<Waited>('Waited', 'The ended jobs, and the unknown ids'),
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
        summary: 'The events of a job, oldest first',
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
        description: 'Contains the number and the requests of other jobs, but not their owners.',
        params: JobAddress,
        response: { 200: answer<Why>('Why', 'Why'), ...problemResponses },
      },
    },
    async (request) => {
      const caller = callerOf(request)
      return parts.queue.why(await jobAt(store, caller, request.params.id), caller.account.name)
    },
  )
}

/** Whether the caller may access a job. */
const isOf = (caller: Caller): ((job: Pick<StoredJob, 'owner'>) => boolean) => {
  const owner = mayTouchJobsOf(caller)
  return (job) => owner === undefined || job.owner === owner
}

/** @throws {InvalidRequest} naming the unknown state. */
function readStates(text: string): JobState[] {
  const words = text.split(',').map((word) => word.trim())
  const wrong = words.find((word) => !jobStates.includes(word as JobState))
  if (wrong !== undefined) {
    throw new InvalidRequest(
      'state',
      `state names ${shown(wrong)}, which is not a state`,
      `The states are: ${jobStates.join(', ')}.`,
    )
  }
  return words as JobState[]
}
