import Type, { type Static } from 'typebox'
import { causeCodes } from './causes.ts'
import { Instant } from './instant.ts'
import { jobStates } from './states.ts'

/**
 * Kinds of changes of a job.
 *
 * - `submitted`: the job was accepted. `held`, `released`: it was put on hold, or released from it.
 * - `placed`: the job has a node. `returned`: its attempt could not run, and it waits for another. `requeued`: it
 *   ran and waits again. `started`: its command runs.
 * - `cancel-requested`, `time-limit-reached`: the platform stops the job. `renewed`: its time limit was restarted.
 * - `exited`, `failed`, `lost`, `cancelled`, `timed-out`: the job ended.
 * - `noted`: events were added. `removed`: the owner deleted the job on the skaha wire. `deleted`: its retention ended.
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
    number: Type.Integer({ description: 'Position in the change log, in the order of commits.' }),
    at: Instant,
    kind: Type.Enum([...jobChangeKinds]),
    owner: Type.String(),
    job: Type.Optional(Type.String({ description: 'The id of the job; absent where tasks names a range of tasks.' })),
    array: Type.Optional(Type.String({ description: 'The id of the array of the job.' })),
    tasks: Type.Optional(
      Type.Object(
        { first: Type.Integer(), last: Type.Integer() },
        { description: 'First and last REPLICA_ID of the tasks that changed together.' },
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

/** Filters of `GET /api/v1/changes`. */
export const ChangesQuery = Type.Object(
  {
    job: Type.Optional(Type.String({ description: 'Only changes of this job.', examples: ['k3x9a0qz'] })),
    array: Type.Optional(Type.String({ description: 'Only changes of this array and its tasks.' })),
    kind: Type.Optional(
      Type.String({ description: 'Only these kinds, separated by commas.', examples: ['exited,failed,cancelled'] }),
    ),
    all: Type.Optional(Type.Boolean({ description: '1: changes of all users; requires the scope admin.' })),
    after: Type.Optional(
      Type.String({
        description: 'The value of Last-Event-ID, for clients that cannot set the header.',
        examples: ['9f2c51d07ab3e846-1042'],
      }),
    ),
  },
  { additionalProperties: false },
)
export type ChangesQuery = Static<typeof ChangesQuery>
