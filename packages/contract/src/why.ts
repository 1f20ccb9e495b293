import Type, { type Static } from 'typebox'
import { Limits } from './holder.ts'
import { Instant } from './instant.ts'
import { JobId } from './job.ts'
import { jobStates } from './states.ts'

const amounts = { cores: Type.Number(), memoryGb: Type.Number(), gpus: Type.Number() }
const Amounts = Type.Object(amounts)

/** What a job may wait for. */
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

/** The sizes of jobs that the order tells apart. */
export const jobClasses = ['small', 'normal', 'large'] as const

/** How often what was told before came true, in the last 30 days. */
export const EstimateScore = Type.Object(
  {
    told: Type.Integer({ description: 'Estimates of which the outcome is known.' }),
    inside: Type.Integer({ description: 'It came between the 10 and 90 % that were told: 8 of 10 should.' }),
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
    summary: Type.String({ description: 'What it waits for, or why it does not wait, in a sentence or two.' }),
    reason: Type.Optional(
      Type.Object(
        {
          kind: Type.Enum([...waitKinds]),
          until: Type.Optional(Type.Unsafe<string>({ ...Instant, description: 'When that is expected to change.' })),
          limit: Type.Optional(
            Type.Object({
              holder: Type.Enum(['user', 'group']),
              name: Type.String(),
              on: Type.Enum(['cores', 'memoryGb', 'gpus', 'running']),
              limit: Type.Number(),
              held: Type.Number(),
              kept: Type.Optional(Type.Number({ description: 'Kept for jobs of theirs that are ahead.' })),
              asks: Type.Number(),
            }),
          ),
          free: Type.Optional(
            Type.Object(amounts, { description: 'The most that is free on one node that could hold it.' }),
          ),
        },
        { description: 'What it waits for, for programs.' },
      ),
    ),
    ahead: Type.Optional(
      Type.Object(
        { jobs: Type.Integer(), ...amounts },
        { description: 'Jobs that would go first if there were room, and what they ask for together.' },
      ),
    ),
    waiting: Type.Optional(Type.Integer({ description: 'Jobs that wait altogether.' })),
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
        { description: 'Its place in the order: points, of which one is worth an hour of waiting.' },
      ),
    ),
    expectedStart: Type.Optional(
      Type.Object(
        { p10: Instant, p50: Instant, p90: Instant },
        { description: 'Of ten starts like this one, one comes before p10, five before p50 and nine before p90.' },
      ),
    ),
    expectedRun: Type.Optional(
      Type.Object(
        {
          seconds: Type.Object({ p10: Type.Number(), p50: Type.Number(), p90: Type.Number() }),
          runs: Type.Integer({ description: 'Of how many runs of jobs alike that is known.' }),
          memoryPeakBytes: Type.Optional(Type.Integer()),
        },
        { description: 'From runs of the same user, image and command. Absent where too few are known.' },
      ),
    ),
    deadline: Type.Optional(
      Type.Object({
        by: Instant,
        outlook: Type.Enum(['likely', 'even', 'unlikely', 'unknown'], {
          description: 'Whether it is expected to have ended by then.',
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
      { description: 'What would start it sooner: each was tried on the planner.' },
    ),
    scores,
  },
  { $id: 'Why' },
)
export type Why = Static<typeof Why>

const held = Type.Object({ ...amounts, running: Type.Integer(), queued: Type.Integer() })

/** The queue as a whole, and what of it is the caller's. */
export const QueueOverview = Type.Object(
  {
    nodes: Type.Integer(),
    capacity: Amounts,
    free: Type.Object(amounts, { description: 'Set aside for no job.' }),
    largestFree: Type.Array(Amounts, {
      description:
        'Free on one node: on the one with the most cores free, and where others have more memory or GPUs free, on those. A job must fit in one.',
    }),
    running: Type.Integer({ description: 'Jobs that start, run or stop.' }),
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
          timezone: Type.String({ description: 'Whose clock they follow, as IANA names it.' }),
        },
        { description: 'Absent where the platform has no off-peak hours.' },
      ),
    ),
    holders: Type.Array(
      Type.Object({
        kind: Type.Enum(['user', 'group']),
        name: Type.String(),
        holds: held,
        limits: Limits,
        coreHours: Type.Number({ description: 'What was used counts so much now: it halves with time.' }),
      }),
      { description: 'You, and your groups.' },
    ),
    scores,
  },
  { $id: 'QueueOverview' },
)
export type QueueOverview = Static<typeof QueueOverview>
