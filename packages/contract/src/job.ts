import Type, { type Static } from 'typebox'
import { causeCodes } from './causes.ts'
import { Instant } from './instant.ts'
import { limits } from './limits.ts'
import { networks } from './networks.ts'
import { jobScopes } from './scopes.ts'
import { startTimes, warningSignals } from './timing.ts'
import { jobStates } from './states.ts'

const Closed = { additionalProperties: false } as const

/** The id of a job: a letter and seven letters or digits, drawn at random (wire contract 2.2). */
export const JobId = Type.String({ pattern: '^[a-z][a-z0-9]{7}$', examples: ['k3x9a0qz'] })

/** Labels of a job, by key. */
const Labels = Type.Record(Type.String(), Type.String(), {
  description:
    `Words by which you find the job again: at most ${limits.labels}. A key is 1 to ${limits.labelKeyLength} letters, digits, dots, underscores, slashes and hyphens; ` +
    `a value has at most ${limits.labelValueLength} characters. They are stored and shown in clear: put no secrets there.`,
  examples: [{ run: 'night-42' }],
})

/** A submission: one job, or an array of `replicas` jobs. Unknown keys are refused. */
export const JobRequest = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: limits.nameLength,
      description: 'Letters, digits and hyphens; starts and ends with a letter or digit; stored in lower case.',
      examples: ['nightly-reduction'],
    }),
    image: Type.String({
      minLength: 1,
      maxLength: 512,
      description: 'The container image: host/project/name:tag, or localhost/name:tag from the local store.',
      examples: ['images.canfar.net/skaha/astroml:latest'],
    }),
    kind: Type.Optional(Type.Literal('headless')),
    cmd: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'The program. Without args, it is split into words by the quoting rules of a shell; nothing is expanded. Left out: the entry point of the image.',
      }),
    ),
    args: Type.Optional(
      Type.Union([Type.String(), Type.Array(Type.String())], {
        description:
          'A list is taken as it is. A string is split into words by the quoting rules of a shell. Left out: the CMD of the image.',
      }),
    ),
    env: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'Environment variables. Values may hold any character but NUL.',
      }),
    ),
    workingDirectory: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: limits.pathBytes,
        description:
          'The folder in which the program starts: an absolute path in the container, without `..`. It must exist and the user must ' +
          'have permission to enter it, else the job ends with the cause `start-failed`; below /scratch it is created. Default: the home.',
        examples: ['/arc/projects/survey/night-17'],
      }),
    ),
    labels: Type.Optional(Labels),
    cores: Type.Optional(
      Type.Integer({ minimum: 1, maximum: limits.cores, description: 'Cores. Left out: flexible, 1 up to 8.' }),
    ),
    memoryGb: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: limits.memoryGb,
        description: 'Memory in GiB. Left out: flexible, 1 up to what the context says.',
      }),
    ),
    gpus: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.gpus })),
    replicas: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: limits.replicas,
        description: 'Number of jobs, all or none. Each has REPLICA_ID (from 1) and REPLICA_COUNT in its environment.',
      }),
    ),
    network: Type.Optional(Type.Enum([...networks])),
    timeSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: limits.timeSeconds,
        description: 'Time limit in seconds. Default: 14 days.',
      }),
    ),
    graceSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: limits.graceSeconds,
        description: 'Seconds from SIGTERM to SIGKILL when the platform stops the job. Default: 30.',
      }),
    ),
    jobToken: Type.Optional(
      Type.Union([Type.Boolean(), Type.Array(Type.Enum([...jobScopes]), { minItems: 1, uniqueItems: true })], {
        description:
          'Whether the job has a token with the rights of its user, in CANFAR_TOKEN with CANFAR_URL, until the job ends. ' +
          'true: the scopes read, submit and manage that the token of the request has; a list: these scopes. Default: none.',
        examples: [true],
      }),
    ),
    signal: Type.Optional(
      Type.String({
        maxLength: 32,
        description: `A signal (${warningSignals.join(', ')}) and the seconds before the time limit at which it is sent, so that the job can save its state. Default: none.`,
        examples: ['USR1@120'],
      }),
    ),
    when: Type.Optional(
      Type.Enum([...startTimes], { description: 'off-peak: start only in the off-peak hours. Default: any.' }),
    ),
    after: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'Earliest start: RFC 3339 with a zone, at most 366 days ahead.',
        examples: ['2026-11-24T18:00:00-08:00'],
      }),
    ),
    by: Type.Optional(
      Type.String({
        maxLength: 64,
        description:
          'Wanted end: RFC 3339 with a zone. It is not a promise; `GET /api/v1/jobs/ID/why` shows whether it can be met.',
        examples: ['2026-11-25T08:00:00-08:00'],
      }),
    ),
    group: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 32,
        description: 'The group to charge, one of yours. Left out: your only group; none if you have several.',
        examples: ['survey'],
      }),
    ),
    gpuKind: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
        description: 'Kind of GPU, with gpus. Left out: any.',
        examples: ['a100'],
      }),
    ),
  },
  { ...Closed, $id: 'JobRequest' },
)
export type JobRequest = Static<typeof JobRequest>

/** Unlike submissions in one request, all or none. */
export const JobBatch = Type.Object(
  { jobs: Type.Array(JobRequest, { minItems: 1, maxItems: limits.batch }) },
  { ...Closed, $id: 'JobBatch' },
)
export type JobBatch = Static<typeof JobBatch>

/** Resources of a job: `request` is allocated, `limit` is the most it may use. They differ where the submission left them out. */
export const Resources = Type.Object(
  {
    cores: Type.Object({ request: Type.Number(), limit: Type.Number() }),
    memoryGb: Type.Object({ request: Type.Number(), limit: Type.Number() }),
    gpus: Type.Integer(),
    fixed: Type.Boolean({ description: 'Whether the submission named the memory (wire contract 2.6).' }),
  },
  { $id: 'Resources' },
)
export type Resources = Static<typeof Resources>

/** Usage of an attempt, from its control group. Fields are absent where the machine does not measure them. */
export const Usage = Type.Object(
  {
    cpuSeconds: Type.Optional(Type.Number({ description: 'CPU time of all processes, user and system.' })),
    cores: Type.Optional(
      Type.Number({ description: 'Cores in use: in the last sample while the job runs, the mean after its end.' }),
    ),
    memoryBytes: Type.Optional(Type.Integer({ description: 'Memory in use now; absent after the end.' })),
    memoryPeakBytes: Type.Optional(
      Type.Integer({ description: 'Peak of the memory that was charged, page cache included.' }),
    ),
    residentBytes: Type.Optional(
      Type.Integer({
        description:
          'Anonymous and shared memory now: what the kernel cannot take back, without page cache. Absent after the end.',
      }),
    ),
    residentPeakBytes: Type.Optional(
      Type.Integer({
        description:
          'Largest sample of anonymous and shared memory, one a second: what the job needed. Absent where it is not measured.',
      }),
    ),
    oomKills: Type.Optional(Type.Integer({ description: 'Processes that the kernel killed for lack of memory.' })),
    readBytes: Type.Optional(
      Type.Integer({ description: 'Bytes read from block devices. Absent where the kernel counted none.' }),
    ),
    writtenBytes: Type.Optional(
      Type.Integer({ description: 'Bytes written to block devices. Absent where the kernel counted none.' }),
    ),
  },
  { $id: 'Usage' },
)
export type Usage = Static<typeof Usage>

/** Why an attempt ended: a code for programs, a sentence for people and, if possible, a hint. */
export const Cause = Type.Object(
  {
    code: Type.Enum([...causeCodes]),
    message: Type.String(),
    hint: Type.Optional(Type.String()),
    remarks: Type.Optional(
      Type.Array(Type.String(), {
        description: 'What else happened, such as processes that were killed for memory or that outlived the command.',
      }),
    ),
  },
  { $id: 'Cause' },
)
export type Cause = Static<typeof Cause>

/** One attempt to run a job. */
export const Attempt = Type.Object(
  {
    number: Type.Integer({ minimum: 1 }),
    node: Type.String(),
    placedAt: Instant,
    startedAt: Type.Optional(Instant),
    endedAt: Type.Optional(Instant),
    exitCode: Type.Optional(Type.Integer()),
    cause: Type.Optional(Cause),
    usage: Type.Optional(Usage),
  },
  { $id: 'Attempt' },
)
export type Attempt = Static<typeof Attempt>

/** A job in `/api/v1/jobs`. */
export const Job = Type.Object(
  {
    id: JobId,
    name: Type.String(),
    owner: Type.String(),
    kind: Type.Literal('headless'),
    state: Type.Enum([...jobStates]),
    reason: Type.Optional(Type.String({ description: 'Why the job waits, while it waits.' })),
    image: Type.String(),
    imageDigest: Type.Optional(Type.String({ description: 'The digest of the tag when the job first started.' })),
    cmd: Type.Optional(Type.Array(Type.String())),
    args: Type.Optional(Type.Array(Type.String())),
    env: Type.Record(Type.String(), Type.String()),
    workingDirectory: Type.Optional(
      Type.String({ description: 'The folder in which the program starts. Absent: the home.' }),
    ),
    labels: Type.Optional(Labels),
    resources: Resources,
    network: Type.Optional(Type.Enum([...networks])),
    jobToken: Type.Optional(Type.Array(Type.Enum([...jobScopes]), { description: 'Scopes of the token of the job.' })),
    timeSeconds: Type.Integer({ description: 'Time limit in seconds.' }),
    signal: Type.Optional(Type.String({ description: 'Signal before the time limit.' })),
    when: Type.Optional(Type.Literal('off-peak')),
    after: Type.Optional(Instant),
    by: Type.Optional(Instant),
    group: Type.Optional(Type.String({ description: 'The charged group.' })),
    gpuKind: Type.Optional(Type.String()),
    array: Type.Optional(
      Type.Object({ id: Type.String(), index: Type.Integer({ minimum: 1 }), count: Type.Integer({ minimum: 1 }) }),
    ),
    submittedAt: Instant,
    startedAt: Type.Optional(Instant),
    endedAt: Type.Optional(Instant),
    deadlineAt: Type.Optional(Instant),
    exitCode: Type.Optional(Type.Integer({ description: '0 to 255; 128 + N after signal N.' })),
    cause: Type.Optional(Cause),
    usage: Type.Optional(Usage),
    notBefore: Type.Optional(
      Type.Unsafe<string>({
        ...Instant,
        description:
          'The job was returned to the queue, since its last attempt could not run, and is not placed earlier. `reason` says why.',
      }),
    ),
    attempts: Type.Array(Attempt),
  },
  { $id: 'Job' },
)
export type Job = Static<typeof Job>

/** The answer to a submission. */
export const Submitted = Type.Object({ ids: Type.Array(JobId) }, { $id: 'Submitted' })
export type Submitted = Static<typeof Submitted>

/** One page of jobs; `next` is the cursor of the following page, absent on the last. */
export const JobPage = Type.Object(
  { jobs: Type.Array(Type.Ref('Job')), next: Type.Optional(Type.String()) },
  { $id: 'JobPage' },
)
export type JobPage = { jobs: Job[]; next?: string }

/** A job with some of its fields. */
export const JobFields = Type.Partial(Job, { $id: 'JobFields' })
export type JobFields = Partial<Job>

/** One page of jobs with the fields that the request names. */
export const JobFieldsPage = Type.Object(
  { jobs: Type.Array(Type.Ref('JobFields')), next: Type.Optional(Type.String()) },
  { $id: 'JobFieldsPage' },
)
export type JobFieldsPage = { jobs: JobFields[]; next?: string }

/** Orders of a list; `-` reverses the order. */
export const jobSorts = ['submitted', '-submitted', 'name', '-name'] as const
export type JobSort = (typeof jobSorts)[number]

/** Filters of `GET /api/v1/jobs`. */
export const JobListQuery = Type.Object(
  {
    state: Type.Optional(Type.String({ description: 'States, separated by commas.', examples: ['queued,running'] })),
    name: Type.Optional(Type.String({ description: 'Names that start with this.' })),
    array: Type.Optional(Type.String({ description: 'The id of an array.' })),
    label: Type.Optional(
      Type.String({
        description: 'KEY=VALUE: jobs with this label. KEY: jobs with any value.',
        examples: ['run=night-42'],
      }),
    ),
    fields: Type.Optional(
      Type.String({
        description:
          'Fields of a job, separated by commas: the answer has these alone, and is found sooner. Left out: all.',
        examples: ['id,state,exitCode'],
      }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 50 })),
    cursor: Type.Optional(Type.String()),
    sort: Type.Optional(Type.Enum([...jobSorts])),
  },
  Closed,
)
export type JobListQuery = Static<typeof JobListQuery>

/** An event of a job. */
export const JobEvent = Type.Object(
  {
    at: Instant,
    type: Type.Union([Type.Literal('Normal'), Type.Literal('Warning')]),
    reason: Type.String({ examples: ['Queued', 'Started', 'OutOfMemory'] }),
    message: Type.String(),
  },
  { $id: 'JobEvent' },
)
export type JobEvent = Static<typeof JobEvent>

/** The events of a job, oldest first. */
export const JobEvents = Type.Object({ events: Type.Array(Type.Ref('JobEvent')) }, { $id: 'JobEvents' })
export type JobEvents = { events: JobEvent[] }

/** An error body (RFC 9457); `hint` says what to do. */
export const ProblemBody = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    hint: Type.Optional(Type.String()),
    field: Type.Optional(Type.String({ description: 'The field at fault.' })),
  },
  { $id: 'Problem' },
)
export type ProblemBody = Static<typeof ProblemBody>
