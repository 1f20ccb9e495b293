import type { CauseCode, JobChangeKind, JobState } from '@science-platform/contract'

/** Changes of objects other than jobs: limits of users and groups, users, groups, projects, and tokens. */
export type OtherChangeKind =
  | 'limit-set'
  | 'limit-cleared'
  | 'user-changed'
  | 'group-changed'
  | 'project-changed'
  | 'token-revoked'
  | 'token-rotated'

/**
 * One row of the change log. It contains the facts that its readers need, so that they do not load the job. It contains no
 * texts: those are in the job's events.
 */
export interface StoredChange {
  /** Its position in the log: in commit order, without gaps, from 1. */
  readonly number: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly kind: JobChangeKind | OtherChangeKind
  /** The owner of the job or token; absent for objects without an owner. */
  readonly owner?: string
  /** The id of the job, of the array where `tasks` gives the range, or of another changed object. */
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

/** A change to append. The commit assigns its number. */
export type NewChange = Omit<StoredChange, 'number'>

/** Thrown for a cursor whose changes are deleted, or that is beyond the head. The reader must reload the stored state. */
export class CursorTooOld extends Error {
  override readonly name = 'CursorTooOld'

  constructor(cursor: number) {
    super(`the change log no longer has what follows ${cursor}`)
  }
}
