import Type, { type Static } from 'typebox'
import { Limits } from './holder.ts'
import { Instant } from './instant.ts'
import { type Cause, JobId } from './job.ts'
import { jobStates } from './states.ts'

const amounts = { cores: Type.Number(), memoryGb: Type.Number(), gpus: Type.Number() }
const Amounts = Type.Object(amounts)

/** Kinds of reasons to wait. */
export const waitKinds = [
  'held',
  'turn',
  'not-before',
  'window',
  'limit',
  'no-node',
  'reservation',
  'resources',
  'backfill',
] as const

/** Priority classes, by size. */
export const jobClasses = ['small', 'normal', 'large'] as const

/** How often estimates of the last 30 days were right. */
export const EstimateScore = Type.Object(
  {
    told: Type.Integer({ description: 'Estimates with a known outcome.' }),
    inside: Type.Integer({ description: 'Outcomes between the estimated 10 and 90 % quantiles: 8 of 10 should be.' }),
    early: Type.Integer(),
    late: Type.Integer(),
  },
  { $id: 'EstimateScore' },
)
export type EstimateScore = Static<typeof EstimateScore>

const scores = Type.Object({ start: EstimateScore, run: EstimateScore }, { description: 'Of starts and of run times.' })

/** Why a job waits, and what would start it sooner. */
export const Why = Type.Object(
  {
    id: JobId,
    state: Type.Enum([...jobStates]),
    summary: Type.String({ description: 'Why the job waits, or why it does not wait, in a sentence or two.' }),
    reason: Type.Optional(
      Type.Object(
        {
          kind: Type.Enum([...waitKinds]),
          until: Type.Optional(Type.Unsafe<string>({ ...Instant, description: 'When the reason is expected to end.' })),
          cause: Type.Optional(
            Type.Unsafe<Cause>({
              ...Type.Ref('Cause'),
              description: 'Why the last attempt could not run. Present where the job was returned to the queue.',
            }),
          ),
          givenUpAt: Type.Optional(
            Type.Unsafe<string>({
              ...Instant,
              description: 'With `cause`: the job fails with the first attempt from then on that cannot run.',
            }),
          ),
          limit: Type.Optional(
            Type.Object({
              holder: Type.Enum(['user', 'group']),
              name: Type.String(),
              on: Type.Enum(['cores', 'memoryGb', 'gpus', 'running']),
              limit: Type.Number(),
              held: Type.Number(),
              kept: Type.Optional(Type.Number({ description: 'Reserved for jobs of the same holder that are ahead.' })),
              asks: Type.Number(),
            }),
          ),
          free: Type.Optional(
            Type.Object(amounts, { description: 'The most free capacity on one node that could run the job.' }),
          ),
        },
        { description: 'Why the job waits, for programs.' },
      ),
    ),
    ahead: Type.Optional(
      Type.Object(
        { jobs: Type.Integer(), ...amounts },
        { description: 'Jobs that start before this job, and the sum of their requests.' },
      ),
    ),
    waiting: Type.Optional(Type.Integer({ description: 'All waiting jobs.' })),
    priority: Type.Optional(
      Type.Object(
        {
          class: Type.Enum([...jobClasses]),
          total: Type.Number(),
          terms: Type.Array(
            Type.Object({
              name: Type.Enum(['class', 'age', 'groupShare', 'userShare', 'deadline']),
              points: Type.Number(),
              meaning: Type.String(),
            }),
          ),
        },
        { description: 'Priority in points. One point is worth an hour of waiting.' },
      ),
    ),
    expectedStart: Type.Optional(
      Type.Object(
        { p10: Instant, p50: Instant, p90: Instant },
        { description: 'Quantiles: one of ten such starts comes before p10, five before p50 and nine before p90.' },
      ),
    ),
    expectedRun: Type.Optional(
      Type.Object(
        {
          seconds: Type.Object({ p10: Type.Number(), p50: Type.Number(), p90: Type.Number() }),
          runs: Type.Integer({ description: 'Number of runs with the same fingerprint that the estimate is from.' }),
          memoryPeakBytes: Type.Optional(Type.Integer()),
        },
        { description: 'From runs of the same user, image and command. Absent with too few runs.' },
      ),
    ),
    deadline: Type.Optional(
      Type.Object({
        by: Instant,
        outlook: Type.Enum(['likely', 'even', 'unlikely', 'unknown'], {
          description: 'Whether the job is expected to end in time.',
        }),
      }),
    ),
    sooner: Type.Array(
      Type.Object({
        change: Type.Object({
          cores: Type.Optional(Type.Number()),
          memoryGb: Type.Optional(Type.Number()),
          gpus: Type.Optional(Type.Number()),
          timeSeconds: Type.Optional(Type.Number()),
          when: Type.Optional(Type.Literal('any')),
          after: Type.Optional(Type.Null()),
        }),
        startsNow: Type.Boolean(),
        message: Type.String(),
      }),
      {
        description:
          'Changes that would start the job now, if it were cancelled and submitted again. Each was tried with the planner.',
      },
    ),
    scores,
  },
  { $id: 'Why' },
)
export type Why = Static<typeof Why>

const held = Type.Object({ ...amounts, running: Type.Integer(), queued: Type.Integer() })

/** The whole queue, and the caller's part of it. */
export const QueueOverview = Type.Object(
  {
    nodes: Type.Integer(),
    capacity: Amounts,
    free: Type.Object(amounts, { description: 'Allocated to no job.' }),
    largestFree: Type.Array(Amounts, {
      description:
        'Free capacity on one node: the node with the most free cores, and nodes with more free memory or GPUs. A job must fit on one node.',
    }),
    running: Type.Integer({ description: 'Starting, running and stopping jobs.' }),
    waiting: Type.Object({
      small: Type.Integer(),
      normal: Type.Integer(),
      large: Type.Integer(),
    }),
    offPeak: Type.Optional(
      Type.Object(
        {
          isNow: Type.Boolean(),
          changesAt: Type.Optional(Instant),
          timezone: Type.String({ description: 'IANA time zone of the off-peak hours.' }),
        },
        { description: 'Absent without off-peak hours.' },
      ),
    ),
    holders: Type.Array(
      Type.Object({
        kind: Type.Enum(['user', 'group']),
        name: Type.String(),
        holds: held,
        limits: Limits,
        coreHours: Type.Number({ description: 'Charged core-hours, decayed.' }),
      }),
      { description: "The caller and the caller's groups." },
    ),
    scores,
  },
  { $id: 'QueueOverview' },
)
export type QueueOverview = Static<typeof QueueOverview>
