import Type, { type Static } from 'typebox'
import { Instant } from './instant.ts'
import { JobId, type Cause, type Usage } from './job.ts'
import { endedStates } from './states.ts'

/** Maximum wait of one request, in seconds. */
export const longestWaitSeconds = 300

/** The body of `POST /api/v1/jobs/wait`. */
export const WaitRequest = Type.Object(
  {
    ids: Type.Array(JobId, { minItems: 1, maxItems: 1000, description: 'Ids of the jobs, in any order.' }),
    timeout: Type.Optional(
      Type.Number({ minimum: 0, maximum: longestWaitSeconds, default: 30, description: 'Seconds.' }),
    ),
  },
  { $id: 'WaitRequest', additionalProperties: false },
)
export type WaitRequest = Static<typeof WaitRequest>

/** A job that has ended, as a waiting client needs it. */
export const EndedJob = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    state: Type.Enum([...endedStates]),
    exitCode: Type.Optional(Type.Integer()),
    cause: Type.Optional(Type.Ref('Cause')),
    usage: Type.Optional(Type.Ref('Usage')),
    startedAt: Type.Optional(Instant),
    endedAt: Type.Optional(Instant),
  },
  { $id: 'EndedJob' },
)
export interface EndedJob extends Omit<Static<typeof EndedJob>, 'cause' | 'usage'> {
  cause?: Cause
  usage?: Usage
}

/** Result of a wait. Both lists are empty after a timeout. */
export const Waited = Type.Object(
  {
    ended: Type.Array(Type.Ref('EndedJob')),
    unknown: Type.Array(Type.String(), { description: 'Ids of jobs that do not exist or belong to another user.' }),
  },
  { $id: 'Waited' },
)
export interface Waited {
  ended: EndedJob[]
  unknown: string[]
}
