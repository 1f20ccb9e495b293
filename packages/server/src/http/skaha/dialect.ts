import type { JobState } from '@science-platform/contract'
import type { StoredJob } from '../../job/job.ts'

/** How one version of the wire speaks of states. */
export interface Dialect {
  /** The word for each state; none for a state that the version does not show. */
  readonly words: Readonly<Record<JobState, string | undefined>>
  /** Whether a session that waits has a start time: that of its submission. Else it has none until its command runs. */
  readonly startsWhenSubmitted: boolean
}

const underWay = {
  held: 'Pending',
  queued: 'Pending',
  starting: 'Pending',
  running: 'Running',
  stopping: 'Terminating',
} as const

/**
 * `v1` speaks as the reference server does now: a cancelled session is gone. `v0` speaks as the batch guide's examples
 * expect, which wait for Succeeded, Failed or Terminated, and read the start time of a session that they have just made.
 */
export const dialects = {
  v1: {
    words: { ...underWay, succeeded: 'Completed', failed: 'Failed', cancelled: undefined },
    startsWhenSubmitted: false,
  },
  v0: {
    words: { ...underWay, succeeded: 'Succeeded', failed: 'Failed', cancelled: 'Terminated' },
    startsWhenSubmitted: true,
  },
} as const satisfies Record<string, Dialect>

/** Words of filters that are not on the wire now, but were, or are in one of the versions (wire contract 2.1). */
const synonyms: Readonly<Record<string, JobState>> = { succeeded: 'succeeded', completed: 'succeeded', error: 'failed' }

/** Whether a version of the wire knows a job: not when it was deleted there, nor when it has no word for it. Pure. */
export const isVisible = (job: Pick<StoredJob, 'state' | 'removedAt'>, { words }: Dialect): boolean =>
  words[job.state] !== undefined && job.removedAt === undefined

/** The states that a `status` filter means, in any case; without a filter all that the version shows. Pure. */
export function statesOf(status: string | undefined, { words }: Dialect): JobState[] {
  const shown = (Object.keys(words) as JobState[]).filter((state) => words[state] !== undefined)
  if (status === undefined) return shown
  const wanted = status.toLowerCase()
  return shown.filter((state) => words[state]?.toLowerCase() === wanted || synonyms[wanted] === state)
}
