import type { JobState } from '@science-platform/contract'
import type { StoredJob } from '../../job/job.ts'

/** The words for states in one version of the wire. */
export interface Dialect {
  /** The word for each state; undefined for a state that the version does not show. */
  readonly words: Readonly<Record<JobState, string | undefined>>
  /** Whether a waiting session shows its submission time as its start time. Otherwise it has none until its command runs. */
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
 * `v1` has the words of today's reference server, which does not show cancelled sessions. `v0` has the words of the batch
 * guide: its examples wait for Succeeded, Failed or Terminated, and read the start time of a new session.
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

/** Further words that filters accept: those of other and earlier versions of the wire (wire contract 2.1). */
const synonyms: Readonly<Record<string, JobState>> = { succeeded: 'succeeded', completed: 'succeeded', error: 'failed' }

/** Whether a version of the wire shows a job: not after its deletion, nor in a state without a word. Pure. */
export const isVisible = (job: Pick<StoredJob, 'state' | 'removedAt'>, { words }: Dialect): boolean =>
  words[job.state] !== undefined && job.removedAt === undefined

/** The states that match a `status` filter, in any case; without a filter all states that the version shows. Pure. */
export function statesOf(status: string | undefined, { words }: Dialect): JobState[] {
  const shown = (Object.keys(words) as JobState[]).filter((state) => words[state] !== undefined)
  if (status === undefined) return shown
  const wanted = status.toLowerCase()
  return shown.filter((state) => words[state]?.toLowerCase() === wanted || synonyms[wanted] === state)
}
