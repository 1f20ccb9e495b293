import type { JobSort, JobState } from '@science-platform/contract'
import type { AuditEntry, StoredAuditEntry } from '../audit/entry.ts'
import type { JobOutline, NewJob, Postponement, StoredAttempt, StoredJob } from '../job/job.ts'
import type { LabelFilter } from '../job/labels.ts'
import type { LifecycleEvent } from '../job/lifecycle.ts'
import type { StoredChange } from './change.ts'

/** An event of a job, in words for its owner. */
export interface StoredEvent {
  readonly jobId: string
  readonly at: number
  readonly type: 'Normal' | 'Warning'
  /** One word in CamelCase. */
  readonly reason: string
  readonly message: string
}

/** A group of users. Its POSIX id decides what its members may read and write. */
export interface StoredGroup {
  readonly name: string
  readonly gid: number
}

/** A user of the platform. */
export interface StoredAccount {
  readonly name: string
  readonly uid: number
  /** The primary group: the user's own, with the number of the uid, unless the account was imported with another. */
  readonly gid: number
  readonly admin: boolean
  readonly groups: readonly StoredGroup[]
  /** When the user was disabled. A disabled account has no valid tokens and cannot authenticate. */
  readonly disabledAt?: number
  /** The jobs of this disabled user must be cancelled. The server does so while this is set. */
  readonly cancelJobs?: true
}

/** A directory under `/arc/projects`, and the group that owns it. */
export interface StoredProject {
  readonly name: string
  readonly group: string
}

/** All users, groups and projects by name, and every id ever assigned. */
export interface Directory {
  readonly users: ReadonlyMap<string, StoredAccount>
  readonly groups: ReadonlyMap<string, StoredGroup>
  readonly projects: ReadonlyMap<string, StoredProject>
  /** The name that each id was assigned to. */
  readonly uids: ReadonlyMap<number, string>
  /** The primary groups of users, with the user's name. */
  readonly gids: ReadonlyMap<number, string>
}

/** An upsert in the directory: it creates or replaces the object of that name. */
export type DirectoryChange =
  | { readonly type: 'user'; readonly user: StoredAccount }
  | { readonly type: 'group'; readonly group: StoredGroup }
  | { readonly type: 'project'; readonly project: StoredProject }

/** A stored token: its hash, never the token itself. */
export interface StoredToken {
  readonly id: string
  readonly prefix: string
  readonly hash: string
  readonly account: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly createdAt: number
  readonly expiresAt?: number
  readonly revokedAt?: number
  /** At or after this time, by at most some minutes: `access/token-use.ts` writes it in batches. */
  readonly lastUsedAt?: number
  /** The id of the parent token. Revoking the parent revokes this token. */
  readonly madeWith?: string
  /** The job that carries the token. The end of the job revokes it. */
  readonly jobId?: string
}

/** The limits of one user or group, by resource. Zero: none at all. */
export interface StoredLimits {
  readonly cores?: number
  readonly memoryGb?: number
  readonly gpus?: number
  readonly running?: number
  readonly queued?: number
}

/** The settings of one quota holder. Absent values default to the configuration. */
export interface StoredHolder {
  readonly kind: 'user' | 'group'
  readonly name: string
  readonly weight?: number
  readonly limits: StoredLimits & { readonly offPeak?: Omit<StoredLimits, 'queued'> }
  readonly setAt: number
}

/** Core-hours charged to a user for a group, or for no group, decayed to the instant `at`. */
export interface StoredShare {
  readonly user: string
  readonly group?: string
  readonly coreHours: number
  readonly at: number
}

/** One run that has ended. */
export interface StoredRun {
  readonly endedAt: number
  readonly seconds: number
  /** Absent where the machine could not measure it. */
  readonly peakBytes?: number
  /** The job's class by its size. Absent for runs that an earlier release stored. */
  readonly jobClass?: 'small' | 'normal' | 'large'
}

/** The last runs of jobs with one fingerprint, oldest first. */
export interface StoredRunHistory {
  readonly alike: string
  readonly runs: readonly StoredRun[]
}

/** Whether the result lay inside the estimated range, or was earlier or later. */
export type EstimateOutcome = 'inside' | 'early' | 'late'

/** The outcome of an earlier estimate of a start or a run time. */
export interface EstimateScore {
  readonly what: 'start' | 'run'
  readonly outcome: EstimateOutcome
  readonly at: number
}

/** The expected and the actual seconds until the start of a job. */
export interface StartForecast {
  readonly jobId: string
  /** When the job started. */
  readonly at: number
  readonly forecast: number
  readonly waited: number
}

/** Counts of estimates by outcome. */
export type EstimateScores = Readonly<Record<EstimateScore['what'], Readonly<Record<EstimateOutcome, number>>>>

/** A user's credentials for a registry. */
export interface StoredRegistryLogin {
  readonly account: string
  /** The registry name as it appears in image references. */
  readonly registry: string
  /** The only host that receives the credentials. */
  readonly address: string
  readonly username: string
  readonly sealed: string
  readonly createdAt: number
}

/** The last use of an image by an account. */
export interface ImageUse {
  readonly account: string
  /** The full image reference of the job. */
  readonly image: string
  readonly at: number
}

/** A filter and a page of the jobs of one owner. */
export interface JobFilter {
  readonly owner: string
  readonly states?: readonly JobState[]
  readonly namePrefix?: string
  readonly arrayId?: string
  readonly label?: LabelFilter
  /** Leaves out jobs deleted on the skaha wire. */
  readonly notRemoved?: boolean
  /** Only jobs that ended at or after this time. */
  readonly endedSince?: number
  /** `-ended`: latest end first; jobs that have not ended are left out. */
  readonly sort: JobSort | '-ended'
  readonly limit: number
  /** Continue after the job with this position in the order. */
  readonly after?: { readonly name: string; readonly seq: number; readonly endedAt?: number }
}

/** The public fields of a job. */
export type JobGlimpse = Pick<StoredJob, 'seq' | 'owner' | 'state' | 'startedAt'>

/** What tells whether a job has ended, by its id. */
export type IdentifiedGlimpse = Pick<StoredJob, 'id' | 'owner' | 'state' | 'arrayId'>

/** A page of the tasks of an array. */
export interface TaskPage {
  /** The range of tasks, by their REPLICA_ID, both included. */
  readonly first: number
  readonly last: number
  /** Continue after the task with this `seq`; 0 at the beginning. */
  readonly after: number
  readonly limit: number
}

/** A job that has not ended, and whether a filter matches it. */
export type JobMatch = Pick<StoredJob, 'id' | 'seq' | 'owner' | 'state'> & { readonly isMatch: boolean }

/** A filter and a page of the audit trail. */
export interface AuditFilter {
  readonly actor?: string
  readonly action?: string
  readonly subject?: string
  /** Milliseconds since the epoch; entries from then on. */
  readonly since?: number
  /** Entries before this time. */
  readonly until?: number
  readonly order: 'newest-first' | 'oldest-first'
  /** Continue after the entry with this number. */
  readonly after?: number
  readonly limit: number
}

/** Fields of a job that a step sets besides its state. Only the given keys are written. */
export type JobFields = Partial<
  Pick<
    StoredJob,
    | 'imageDigest'
    | 'startedAt'
    | 'endedAt'
    | 'deadlineAt'
    | 'exitCode'
    | 'cause'
    | 'attempt'
    | 'stopReason'
    | 'removedAt'
  >
> & {
  /** Null clears it. */
  readonly notBefore?: number | null
  /** Null clears it. */
  readonly postponed?: Postponement | null
}

/** One step of one job. It is written only if the job is still in state `from`. */
export interface JobStep {
  readonly jobId: string
  /** When it happens, in milliseconds since the epoch. */
  readonly at: number
  readonly from: JobState
  readonly event: LifecycleEvent
  readonly fields?: JobFields
  readonly attempt?: StoredAttempt
  readonly events?: readonly StoredEvent[]
  /** The charge of the step to the owner's share: the value before and the value after. */
  readonly charge?: {
    readonly user: string
    readonly group?: string
    readonly next: (share: StoredShare | undefined) => StoredShare
  }
  /** The run history of the job's fingerprint after the step. */
  readonly history?: StoredRunHistory
  readonly scores?: readonly EstimateScore[]
  readonly forecast?: StartForecast
}

/** The key under which an answer is stored for retries of a request. */
export interface IdempotencyKey {
  readonly account: string
  readonly key: string
  /** The fingerprint of the request. A different request with the same key is a conflict. */
  readonly fingerprint: string
}

/** A generated job id already exists. Nothing was stored; the caller may retry with new ids. */
export class JobIdTaken extends Error {
  override readonly name = 'JobIdTaken'

  constructor(options?: ErrorOptions) {
    super('one of the ids belongs to a job already', options)
  }
}

/** The outcome of a submission with an Idempotency-Key. */
export type SubmitOutcome =
  | {
      readonly outcome: 'stored'
      readonly ids: readonly string[]
      /** The number of its last change. */
      readonly change: number
    }
  | { readonly outcome: 'repeated'; readonly ids: readonly string[] }
  | { readonly outcome: 'conflict' }

/** A job after a step. */
export interface TakenStep {
  readonly job: StoredJob
  /** The number of the change that the step appended. */
  readonly change: number
}

/** A position among ended attempts, for paging. */
export interface EndedAt {
  readonly at: number
  /** Absent: before all attempts that ended at this time. */
  readonly attemptId?: string
}

/**
 * The port to the database. A fulfilled promise means that the data is on the disk. Every driver passes the suite in
 * `store-contract.ts`.
 */
export interface Store {
  /**
   * Stores all jobs or none. Concurrent submissions share one commit. More than 100 jobs are stored in several commits, so that
   * other writes do not wait for all of them; no reader sees any job before the last commit. @throws {JobIdTaken}
   */
  submit(submission: {
    readonly jobs: readonly NewJob[]
    readonly events: readonly StoredEvent[]
    readonly secrets?: ReadonlyMap<string, string>
    /** Stored as given, or revoked where their parent token is no longer valid. */
    readonly tokens?: readonly StoredToken[]
    readonly idempotency?: IdempotencyKey
    /** Stored in the transaction that makes the jobs visible: both are stored, or neither. */
    readonly audit?: AuditEntry
    /** Called first in the first and in the last transaction. An error of it is rethrown, and nothing is stored. */
    readonly confirm?: () => void
  }): Promise<SubmitOutcome>
  /** Deletes what processes left of submissions that began before `at` and were never completed. */
  deleteStagedBefore(at: number): Promise<void>
  /** The earlier answer for this key; undefined where the key is new. */
  answeredBefore(idempotency: IdempotencyKey): Promise<SubmitOutcome | undefined>
  /**
   * Applies all steps in one transaction. Returns the jobs after their steps, without those whose state had changed before. `audit` is
   * stored in that transaction.
   */
  step(steps: readonly JobStep[], audit?: AuditEntry): Promise<TakenStep[]>
  /** Inserts events without a step. */
  addEvents(events: readonly StoredEvent[]): Promise<void>

  /** The identity of the database, a UUID: created with it, and kept by backup and restore. */
  readonly identity: string
  /** When the database was restored from a backup, in milliseconds; until the attempts that started since are adopted. */
  restoredAt(): Promise<number | undefined>
  /** Notes that the attempts since a restore are adopted. */
  noteAdopted(): Promise<void>
  /** The id of the change log: created with the database, and again by a restore. */
  readonly logId: string
  /** The number of the newest change. */
  logHead(): Promise<number>
  /**
   * At most `limit` changes after a number, in order; with `owner` only that user's.
   * @throws {CursorTooOld} where some of them are deleted, or the number is beyond the head.
   */
  changesAfter(number: number, limit: number, owner?: string): Promise<StoredChange[]>
  /**
   * Calls `listener` after each commit of this process that appended changes, with these: the caller knows the log up to there if it
   * knew the change before them. Returns a function that unsubscribes.
   */
  onCommit(listener: (changes: readonly StoredChange[]) => void): () => void
  /** Deletes at most `most` of the oldest changes before `at`; returns their count. */
  deleteChangesBefore(at: number, most: number): Promise<number>

  /** The job with this id. With `owner` only that user's: the query takes the same time for another's job and a missing job. */
  job(id: string, owner?: string): Promise<StoredJob | undefined>
  jobs(filter: JobFilter): Promise<StoredJob[]>
  /** As {@link jobs}, without their specifications, which are neither read nor decrypted. */
  jobOutlines(filter: JobFilter): Promise<JobOutline[]>
  /**
   * Jobs that have not ended, in order of submission: the work of the loop. At most `limit` after the job with the `seq` `after`; all
   * by default.
   */
  notEnded(after?: number, limit?: number): Promise<StoredJob[]>
  /** A page of the public fields of jobs that have not ended, in order of submission, after the job with this `seq`. */
  glimpses(after: number, limit: number): Promise<JobGlimpse[]>
  /**
   * The first `limit` jobs of an owner after the job with the `seq` `after` that have not ended, in order of submission, and whether each
   * has the label and the beginning of its name. It reads no specifications.
   */
  notEndedOf(
    owner: string,
    filter: Pick<JobFilter, 'label' | 'namePrefix'>,
    after: number,
    limit: number,
  ): Promise<readonly JobMatch[]>
  /** The existing jobs among these ids. */
  jobsById(ids: readonly string[]): Promise<StoredJob[]>
  /** What tells whether these jobs have ended, for those that exist. */
  glimpsesById(ids: readonly string[]): Promise<IdentifiedGlimpse[]>
  /** Tasks of an array in order. */
  tasks(arrayId: string, page: TaskPage): Promise<StoredJob[]>
  attempts(jobIds: readonly string[]): Promise<StoredAttempt[]>
  /**
   * Those of these attempts that have a record: the server changes and ends no other. `current`: its job starts, runs or stops with
   * it; `over`: its job has ended, or is past this attempt.
   */
  recordedAttempts(ids: readonly string[]): Promise<ReadonlyMap<string, 'current' | 'over'>>
  events(jobId: string): Promise<StoredEvent[]>
  secret(jobId: string): Promise<string | undefined>

  /** The settings of all quota holders. */
  holders(): Promise<StoredHolder[]>
  /** Replaces the settings of a quota holder. */
  setHolder(holder: StoredHolder): Promise<void>
  /** Clears the settings of a quota holder. False where there were none. */
  clearHolder(kind: StoredHolder['kind'], name: string, at: number): Promise<boolean>
  shares(): Promise<StoredShare[]>
  /** Replaces all shares, recomputed from stored ends of jobs. */
  replaceShares(shares: readonly StoredShare[]): Promise<void>
  runHistories(): Promise<StoredRunHistory[]>
  deleteRunHistoriesBefore(at: number): Promise<void>
  /** Outcomes since an instant, rounded to the day. */
  estimateScores(since: number): Promise<EstimateScores>
  /** The newest `most` forecasts, newest last. */
  startForecasts(most: number): Promise<StartForecast[]>
  deleteStartForecastsBefore(at: number): Promise<void>
  /**
   * At most `most` ended jobs that ran, with their last attempts, after the position `after`. The order is by end, then by id.
   */
  endedRuns(after: EndedAt, most: number): Promise<{ readonly job: StoredJob; readonly attempt: StoredAttempt }[]>

  account(name: string): Promise<StoredAccount | undefined>
  directory(): Promise<Directory>
  /**
   * Changes users, groups and projects in one transaction, isolated from other processes. `decide` receives the current
   * directory and returns the changes. An error of `decide` is rethrown, and nothing is written. Disabling a user revokes
   * their tokens in the same transaction. Returns the written changes.
   */
  changeDirectory(decide: (directory: Directory) => readonly DirectoryChange[]): Promise<readonly DirectoryChange[]>
  /** Names of users whose jobs must be cancelled. */
  usersToCancel(): Promise<string[]>

  /**
   * Stores a token. False, and nothing is stored, where the user is disabled or unknown, or the token would outlive its parent.
   */
  addToken(token: StoredToken): Promise<boolean>
  tokenByHash(hash: string): Promise<StoredToken | undefined>
  /** A user's tokens, oldest first, without those of ended jobs. */
  tokens(account: string): Promise<StoredToken[]>
  /** Revokes a token and its descendants. False where it was revoked already, or does not exist. */
  revokeToken(id: string, at: number): Promise<boolean>
  /**
   * Stores `successor` in place of a token, which expires at `endsAt`. Child tokens of the old token become children of the
   * successor. False, and nothing is stored, where the old token is no longer valid.
   */
  rotateToken(id: string, successor: StoredToken, endsAt: number): Promise<boolean>
  /** Stores the last use of tokens by id. */
  noteTokenUse(uses: ReadonlyMap<string, number>): Promise<void>

  /** Appends to the audit trail. Each entry contains the hash of the entry before. */
  addAudit(entries: readonly AuditEntry[]): Promise<void>
  audit(filter: AuditFilter): Promise<StoredAuditEntry[]>
  /** Deletes entries before `at`, except the newest of them: the next entry contains its hash. */
  deleteAuditBefore(at: number): Promise<void>
  /** Stores credentials, replacing the account's earlier ones for the registry. */
  putRegistryLogin(login: StoredRegistryLogin): Promise<void>
  registryLogin(account: string, registry: string): Promise<StoredRegistryLogin | undefined>
  /** All credentials of an account, by registry. */
  registryLogins(account: string): Promise<StoredRegistryLogin[]>
  /** Deletes credentials. False where there are none. */
  deleteRegistryLogin(account: string, registry: string): Promise<boolean>
  /** The last uses of images, latest first, of one image, one account, or all. */
  imageUses(of: { readonly image?: string; readonly account?: string }): Promise<ImageUse[]>
  /** Images of jobs that start, run or stop, and of waiting jobs with a known digest. */
  imagesInUse(): Promise<readonly { readonly image: string; readonly digest: string | undefined }[]>

  /** Deletes at most `most` jobs that ended before `at`, with their attempts and events. Returns the ids of the attempts. */
  deleteJobsEndedBefore(at: number, most: number): Promise<string[]>
  /** At most `most` attempts that ended before `to`, in order of their ends, after the position `after`. */
  attemptsEndedBefore(to: number, after: EndedAt, most: number): Promise<(EndedAt & { readonly attemptId: string })[]>
  /** The last attempt whose log was deleted by retention; undefined before the first. */
  logsDeletedTo(): Promise<EndedAt | undefined>
  setLogsDeletedTo(place: EndedAt): Promise<void>
  deleteIdempotencyBefore(at: number): Promise<void>
  /** Counts of jobs that have not ended, by state. */
  jobsByState(): Promise<ReadonlyMap<JobState, number>>
  /** Writes to the disk as a check. @throws where the store cannot be written. */
  checkWritable(): Promise<void>
  close(): Promise<void>
}
