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

/** What a submission asks for: one job, or `replicas` of them. Unknown keys are refused. */
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
      Type.Record(Type.String(), Type.String(), { description: 'Environment variables, any value but NUL.' }),
    ),
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
        description: 'Jobs to make, all or none; each has REPLICA_ID (from 1) and REPLICA_COUNT in its environment.',
      }),
    ),
    network: Type.Optional(Type.Enum([...networks])),
    timeSeconds: Type.Optional(
      Type.Integer({ minimum: 1, maximum: limits.timeSeconds, description: 'Longest run time. Default: 14 days.' }),
    ),
    graceSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: limits.graceSeconds,
        description: 'Seconds from SIGTERM to SIGKILL when the job is ended. Default: 30.',
      }),
    ),
    jobToken: Type.Optional(
      Type.Union([Type.Boolean(), Type.Array(Type.Enum([...jobScopes]), { minItems: 1, uniqueItems: true })], {
        description:
          'Whether the job has a token of yours, in CANFAR_TOKEN with CANFAR_URL, which ends with the job. true: read, ' +
          'submit and manage, as far as the token you use has them; a list: these. Default: none.',
        examples: [true],
      }),
    ),
    signal: Type.Optional(
      Type.String({
        maxLength: 32,
        description: `A signal (${warningSignals.join(', ')}) to send so many seconds before the longest run time is over, so that the job can save its state. Default: none.`,
        examples: ['USR1@120'],
      }),
    ),
    when: Type.Optional(
      Type.Enum([...startTimes], { description: 'off-peak: start in the off-peak hours only. Default: any.' }),
    ),
    after: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'Start no earlier than this instant: RFC 3339 with a zone, at most a year ahead.',
        examples: ['2026-11-24T18:00:00-08:00'],
      }),
    ),
    by: Type.Optional(
      Type.String({
        maxLength: 64,
        description:
          'Wanted to have ended by this instant: RFC 3339 with a zone. It is no promise; the why of the job tells whether it can be met.',
        examples: ['2026-11-25T08:00:00-08:00'],
      }),
    ),
    group: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 32,
        description: 'Which of your groups it is charged to. Left out: your group where you have only one, else none.',
        examples: ['survey'],
      }),
    ),
    gpuKind: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
        description: 'The kind of GPU that would do, with gpus. Left out: any.',
        examples: ['a100'],
      }),
    ),
  },
  { ...Closed, $id: 'JobRequest' },
)
export type JobRequest = Static<typeof JobRequest>

/** What a job has: `request` is set aside for it, `limit` is what it may use. They differ where the request was left open. */
export const Resources = Type.Object(
  {
    cores: Type.Object({ request: Type.Number(), limit: Type.Number() }),
    memoryGb: Type.Object({ request: Type.Number(), limit: Type.Number() }),
    gpus: Type.Integer(),
    fixed: Type.Boolean({ description: 'Whether the memory was asked for (wire contract 2.6).' }),
  },
  { $id: 'Resources' },
)
export type Resources = Static<typeof Resources>

/** What an attempt used, read from its control group. Absent where the machine could not tell. */
export const Usage = Type.Object(
  {
    cpuSeconds: Type.Optional(Type.Number({ description: 'CPU time, user and system, all processes.' })),
    cores: Type.Optional(
      Type.Number({ description: 'Cores in use: over the last sample while running, the mean after.' }),
    ),
    memoryBytes: Type.Optional(Type.Integer({ description: 'Memory in use now; absent after the end.' })),
    memoryPeakBytes: Type.Optional(Type.Integer()),
    oomKills: Type.Optional(Type.Integer({ description: 'Processes the kernel killed for want of memory.' })),
    readBytes: Type.Optional(Type.Integer({ description: 'Bytes read from block devices.' })),
    writtenBytes: Type.Optional(Type.Integer({ description: 'Bytes written to block devices.' })),
  },
  { $id: 'Usage' },
)
export type Usage = Static<typeof Usage>

/** Why an attempt ended: a code for programs, a sentence for people and, where there is one, what to do. */
export const Cause = Type.Object(
  {
    code: Type.Enum([...causeCodes]),
    message: Type.String(),
    hint: Type.Optional(Type.String()),
  },
  { $id: 'Cause' },
)
export type Cause = Static<typeof Cause>

/** One try at running a job. */
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

/** A job as `/api/v1/jobs` shows it. */
export const Job = Type.Object(
  {
    id: JobId,
    name: Type.String(),
    owner: Type.String(),
    kind: Type.Literal('headless'),
    state: Type.Enum([...jobStates]),
    reason: Type.Optional(Type.String({ description: 'Why it is waiting, while it waits.' })),
    image: Type.String(),
    imageDigest: Type.Optional(Type.String({ description: 'What the tag meant when the job was first started.' })),
    cmd: Type.Optional(Type.Array(Type.String())),
    args: Type.Optional(Type.Array(Type.String())),
    env: Type.Record(Type.String(), Type.String()),
    resources: Resources,
    network: Type.Optional(Type.Enum([...networks])),
    jobToken: Type.Optional(
      Type.Array(Type.Enum([...jobScopes]), { description: 'What the token of the job may be used for.' }),
    ),
    timeSeconds: Type.Integer({ description: 'Longest run time.' }),
    signal: Type.Optional(Type.String({ description: 'Sent before the longest run time is over.' })),
    when: Type.Optional(Type.Literal('off-peak')),
    after: Type.Optional(Instant),
    by: Type.Optional(Instant),
    group: Type.Optional(Type.String({ description: 'The group it is charged to.' })),
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

/** The orders a list may have; `-` is newest or last first. */
export const jobSorts = ['submitted', '-submitted', 'name', '-name'] as const
export type JobSort = (typeof jobSorts)[number]

/** What `GET /api/v1/jobs` may be narrowed by. */
export const JobListQuery = Type.Object(
  {
    state: Type.Optional(Type.String({ description: 'States, separated by commas.', examples: ['queued,running'] })),
    name: Type.Optional(Type.String({ description: 'Names that start with this.' })),
    array: Type.Optional(Type.String({ description: 'The id of an array.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 50 })),
    cursor: Type.Optional(Type.String()),
    sort: Type.Optional(Type.Enum([...jobSorts])),
  },
  Closed,
)
export type JobListQuery = Static<typeof JobListQuery>

/** Something that happened to a job. */
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

/** An error body (RFC 9457) with what would do in `hint`. */
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
