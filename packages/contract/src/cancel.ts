import Type, { type Static } from 'typebox'
import { JobId } from './job.ts'
import { limits } from './limits.ts'

/** The body of `POST /api/v1/jobs/cancel`: exactly one of `ids`, `label` and `prefix`. */
export const CancelRequest = Type.Object(
  {
    ids: Type.Optional(
      Type.Array(JobId, { minItems: 1, maxItems: 1000, description: 'Ids of the jobs, in any order.' }),
    ),
    label: Type.Optional(
      Type.String({
        description: 'KEY=VALUE: jobs with this label that have not ended. KEY: those with any value of it.',
        examples: ['run=night-42'],
      }),
    ),
    prefix: Type.Optional(
      Type.String({
        minLength: 3,
        maxLength: limits.nameLength,
        description: 'Jobs that have not ended and whose name begins with this, in any case of letters.',
        examples: ['night-42-'],
      }),
    ),
    owner: Type.Optional(
      Type.String({
        maxLength: 32,
        description: 'With label or prefix: whose jobs. Only an administrator may name another user. Default: yours.',
        examples: ['ada'],
      }),
    ),
    dryRun: Type.Optional(
      Type.Boolean({ description: 'Whether to answer what would be cancelled, and cancel nothing. Default: false.' }),
    ),
  },
  { $id: 'CancelRequest', additionalProperties: false },
)
export type CancelRequest = Static<typeof CancelRequest>

/** What became of the jobs of a {@link CancelRequest}. */
export const CancelledJobs = Type.Object(
  {
    cancelled: Type.Array(Type.String(), { description: 'Ids of jobs that are cancelled, or stop now.' }),
    ended: Type.Array(Type.String(), { description: 'Ids of jobs that had already ended; they are unchanged.' }),
    unknown: Type.Array(Type.String(), { description: 'Ids of jobs that do not exist or belong to another user.' }),
    counts: Type.Object(
      { cancelled: Type.Integer(), ended: Type.Integer(), unknown: Type.Integer() },
      { description: 'The lengths of the lists.' },
    ),
  },
  { $id: 'CancelledJobs' },
)
export type CancelledJobs = Static<typeof CancelledJobs>
