import type { CauseCode, JobChangeKind, JobState } from '@science-platform/contract'

/** What changed besides a job: what is set for a user or group, users, groups, projects, and tokens. */
export type OtherChangeKind =
  | 'limit-set'
  | 'limit-cleared'
  | 'user-changed'
  | 'group-changed'
  | 'project-changed'
  | 'token-revoked'
  | 'token-rotated'

/**
 * One row of the change log. It carries what its readers need, so that none of them fetches the job for it, and no words:
 * those are in the job's events.
 */
export interface StoredChange {
  /** Its place in the log: in the order of commits, without gaps, from 1. */
  readonly number: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly kind: JobChangeKind | OtherChangeKind
  /** Whose job or token it is; absent for what belongs to no user. */
  readonly owner?: string
  /** The id of the job, of the array where `tasks` says which of its tasks, or of what else changed. */
  readonly subject: string
  /** The array that the job is a task of. */
  readonly arrayId?: string
  /** The range of an array's tasks that changed together, by their REPLICA_ID. */
  readonly tasks?: { readonly first: number; readonly last: number }
  /** The name of the job, or of the array's first task in the range. */
  readonly name?: string
  readonly from?: JobState
  readonly to?: JobState
  readonly exitCode?: number
  readonly causeCode?: CauseCode
}

/** A change to append: its number is given at the commit. */
export type NewChange = Omit<StoredChange, 'number'>

/** A place in the log that is no longer there, or never was: its reader starts anew from what is stored. */
export class CursorTooOld extends Error {
  override readonly name = 'CursorTooOld'

  constructor(cursor: number) {
    super(`the change log no longer has what follows ${cursor}`)
  }
}
