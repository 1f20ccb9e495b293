import Type, { type Static } from 'typebox'
import { causeCodes } from './causes.ts'
import { Instant } from './instant.ts'
import { jobStates } from './states.ts'

/**
 * What may change of a job.
 *
 * - `submitted`: it was accepted. `held`, `released`: it waits on request, or goes on.
 * - `placed`: it got a node. `returned`: it waits again, nothing of it having run. `requeued`: it ran and waits again.
 * - `started`: its command runs.
 * - `cancel-requested`, `time-limit-reached`: it was asked to end. `renewed`: its time began anew.
 * - `exited`, `failed`, `lost`, `cancelled`, `timed-out`: it ended.
 * - `noted`: events were added to it. `removed`: its owner deleted it on the skaha wire. `deleted`: its retention is over.
 */
export const jobChangeKinds = [
  'submitted',
  'held',
  'released',
  'placed',
  'returned',
  'requeued',
  'started',
  'cancel-requested',
  'time-limit-reached',
  'renewed',
  'exited',
  'failed',
  'lost',
  'cancelled',
  'timed-out',
  'noted',
  'removed',
  'deleted',
] as const
export type JobChangeKind = (typeof jobChangeKinds)[number]

/** One change of a job, or of a range of an array's tasks: the data of an event of `GET /api/v1/changes`. */
export const Change = Type.Object(
  {
    number: Type.Integer({ description: 'Its place in the change log: in the order of commits.' }),
    at: Instant,
    kind: Type.Enum([...jobChangeKinds]),
    owner: Type.String(),
    job: Type.Optional(Type.String({ description: 'The id of the job; absent where tasks says which tasks changed.' })),
    array: Type.Optional(Type.String({ description: 'The id of the array that the job is a task of.' })),
    tasks: Type.Optional(
      Type.Object(
        { first: Type.Integer(), last: Type.Integer() },
        { description: 'The tasks of the array that changed together, by REPLICA_ID.' },
      ),
    ),
    name: Type.Optional(Type.String({ description: 'The name of the job, or of the first task.' })),
    from: Type.Optional(Type.Enum([...jobStates])),
    to: Type.Optional(Type.Enum([...jobStates])),
    exitCode: Type.Optional(Type.Integer()),
    cause: Type.Optional(Type.Enum([...causeCodes])),
  },
  { $id: 'Change' },
)
export type Change = Static<typeof Change>

/** What `GET /api/v1/changes` may be narrowed by. */
export const ChangesQuery = Type.Object(
  {
    job: Type.Optional(Type.String({ description: 'Only of this job.', examples: ['k3x9a0qz'] })),
    array: Type.Optional(Type.String({ description: 'Only of this array and its tasks.' })),
    kind: Type.Optional(
      Type.String({ description: 'Only these kinds, separated by commas.', examples: ['exited,failed,cancelled'] }),
    ),
    all: Type.Optional(Type.Boolean({ description: '1: of all users; takes the scope admin.' })),
    after: Type.Optional(
      Type.String({
        description: 'As Last-Event-ID, for clients that cannot send it.',
        examples: ['9f2c51d07ab3e846-1042'],
      }),
    ),
  },
  { additionalProperties: false },
)
export type ChangesQuery = Static<typeof ChangesQuery>
