import type { JobSort, JobState } from '@science-platform/contract'
import type { AuditEntry, StoredAuditEntry } from '../audit/entry.ts'
import type { NewJob, StoredAttempt, StoredJob } from '../job/job.ts'
import type { LifecycleEvent } from '../job/lifecycle.ts'
import type { StoredChange } from './change.ts'

/** Something that happened to a job, for its owner to read. */
export interface StoredEvent {
  readonly jobId: string
  readonly at: number
  readonly type: 'Normal' | 'Warning'
  /** One word in CamelCase. */
  readonly reason: string
  readonly message: string
}

/** A group of users, with the POSIX id that decides what its members may read and write. */
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
  /** Since when nobody gets in as this user; such an account has no good tokens. */
  readonly disabledAt?: number
  /** The jobs of a disabled user are to end; the server sees to it for as long as this is set. */
  readonly cancelJobs?: true
}

/** A directory under `/arc/projects`, and the group that it belongs to. */
export interface StoredProject {
  readonly name: string
  readonly group: string
}

/** All users, groups and projects by name, and every id that was ever given. */
export interface Directory {
  readonly users: ReadonlyMap<string, StoredAccount>
  readonly groups: ReadonlyMap<string, StoredGroup>
  readonly projects: ReadonlyMap<string, StoredProject>
  /** Whose an id is or was. */
  readonly uids: ReadonlyMap<number, string>
  /** The primary groups of users among them, under the users' names. */
  readonly gids: ReadonlyMap<number, string>
}

/** Something to write into the directory: it is so from now on, whether there was something of that name or not. */
export type DirectoryChange =
  | { readonly type: 'user'; readonly user: StoredAccount }
  | { readonly type: 'group'; readonly group: StoredGroup }
  | { readonly type: 'project'; readonly project: StoredProject }

/** A token as it is kept: never itself, only its hash. */
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
  /** Not before this, and at most some minutes after it (`access/token-use.ts`). */
  readonly lastUsedAt?: number
  /** The id of the token that it was made with; when that one is revoked, so is this. */
  readonly madeWith?: string
  /** The job that carries it; when that ends, the token is revoked. */
  readonly jobId?: string
}

/** What one user or group may hold at once, by what it is counted in; zero: none at all. */
export interface StoredLimits {
  readonly cores?: number
  readonly memoryGb?: number
  readonly gpus?: number
  readonly running?: number
  readonly queued?: number
}

/** What was set for one user or group; what is left out is as the configuration says for all. */
export interface StoredHolder {
  readonly kind: 'user' | 'group'
  readonly name: string
  readonly weight?: number
  readonly limits: StoredLimits & { readonly offPeak?: Omit<StoredLimits, 'queued'> }
  readonly setAt: number
}

/** Core-hours that a user has used in the name of a group, or of none, as they count at `at`. */
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
  /** Absent where the machine could not tell. */
  readonly peakBytes?: number
}

/** The last runs of jobs alike, oldest first. */
export interface StoredRunHistory {
  readonly alike: string
  readonly runs: readonly StoredRun[]
}

/** Whether what happened lay within what was told before, or came earlier or later. */
export type EstimateOutcome = 'inside' | 'early' | 'late'

/** Of a start or a run time that was told before, what came of it. */
export interface EstimateScore {
  readonly what: 'start' | 'run'
  readonly outcome: EstimateOutcome
  readonly at: number
}

/** In how many seconds a job was expected to start when that was told, and in how many it did. */
export interface StartForecast {
  readonly jobId: string
  /** When it started. */
  readonly at: number
  readonly forecast: number
  readonly waited: number
}

/** How many estimates came true. */
export type EstimateScores = Readonly<Record<EstimateScore['what'], Readonly<Record<EstimateOutcome, number>>>>

/** A user's credentials for a registry. */
export interface StoredRegistryLogin {
  readonly account: string
  /** As images name it. */
  readonly registry: string
  /** The one host they may be sent to. */
  readonly address: string
  readonly username: string
  readonly sealed: string
  readonly createdAt: number
}

/** When an account last ran an image. */
export interface ImageUse {
  readonly account: string
  /** The reference of its job, in full. */
  readonly image: string
  readonly at: number
}

/** Which jobs of one owner, and which page of them. */
export interface JobFilter {
  readonly owner: string
  readonly states?: readonly JobState[]
  readonly namePrefix?: string
  readonly arrayId?: string
  /** Jobs deleted on the skaha wire are left out. */
  readonly notRemoved?: boolean
  /** Only jobs that have ended, then or later. */
  readonly endedSince?: number
  /** `-ended`: those first that ended last; jobs that have not ended are left out. */
  readonly sort: JobSort | '-ended'
  readonly limit: number
  /** Continue after the job with this place in the order. */
  readonly after?: { readonly name: string; readonly seq: number; readonly endedAt?: number }
}

/** What everybody may know of a job. */
export type JobGlimpse = Pick<StoredJob, 'seq' | 'owner' | 'state' | 'startedAt'>

/** Which entries of the audit trail, and which page of them. */
export interface AuditFilter {
  readonly actor?: string
  readonly action?: string
  readonly subject?: string
  /** Milliseconds since the epoch; entries from then on. */
  readonly since?: number
  /** Entries from before then. */
  readonly until?: number
  readonly order: 'newest-first' | 'oldest-first'
  /** Continue after the entry with this number. */
  readonly after?: number
  readonly limit: number
}

/** What to change in a job besides its state. Only the keys given are written. */
export type JobChange = Partial<
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
>

/** One step of one job: written if the job is still in `from`, left alone otherwise. */
export interface JobStep {
  readonly jobId: string
  /** When it happens, in milliseconds since the epoch. */
  readonly at: number
  readonly from: JobState
  readonly event: LifecycleEvent
  readonly change?: JobChange
  readonly attempt?: StoredAttempt
  readonly events?: readonly StoredEvent[]
  /** What its owner is charged with it: from what they have used so far to what they have used then. */
  readonly charge?: {
    readonly user: string
    readonly group?: string
    readonly next: (share: StoredShare | undefined) => StoredShare
  }
  /** What is known of jobs alike then. */
  readonly history?: StoredRunHistory
  readonly scores?: readonly EstimateScore[]
  readonly forecast?: StartForecast
}

/** An answer to give again to the same request. */
export interface IdempotencyKey {
  readonly account: string
  readonly key: string
  /** Of the request; another request under the same key is a conflict. */
  readonly fingerprint: string
}

/** An id that was drawn belongs to a job already. Nothing was stored; others may be drawn. */
export class JobIdTaken extends Error {
  override readonly name = 'JobIdTaken'

  constructor(options?: ErrorOptions) {
    super('one of the ids belongs to a job already', options)
  }
}

/** What came of a submission under an Idempotency-Key. */
export type SubmitOutcome =
  | {
      readonly outcome: 'stored'
      readonly ids: readonly string[]
      /** The last of the changes that it made. */
      readonly change: number
    }
  | { readonly outcome: 'repeated'; readonly ids: readonly string[] }
  | { readonly outcome: 'conflict' }

/** A job as a step left it. */
export interface TakenStep {
  readonly job: StoredJob
  /** The number of the change that the step appended. */
  readonly change: number
}

/** A place among attempts that have ended. */
export interface EndedAt {
  readonly at: number
  /** Left out: before all that ended then. */
  readonly attemptId?: string
}

/**
 * The port to the database. What a method promises holds when its promise is fulfilled: it is on the disk then.
 * `store-contract.ts` is the suite that every driver passes.
 */
export interface Store {
  /** Stores jobs, all or none. Submissions that arrive together share one commit. @throws {JobIdTaken} */
  submit(submission: {
    readonly jobs: readonly NewJob[]
    readonly events: readonly StoredEvent[]
    readonly secrets?: ReadonlyMap<string, string>
    /** Stored as they are, or revoked where the token that they were made with is no longer good. */
    readonly tokens?: readonly StoredToken[]
    readonly idempotency?: IdempotencyKey
    /** Written to the audit trail where the jobs are stored: neither is there without the other. */
    readonly audit?: AuditEntry
  }): Promise<SubmitOutcome>
  /** What was answered to this key before; undefined where it is new. */
  answeredBefore(idempotency: IdempotencyKey): Promise<SubmitOutcome | undefined>
  /** Takes steps, each in the transaction of all; returns the jobs as they are now, without those whose step was too late. */
  step(steps: readonly JobStep[]): Promise<TakenStep[]>
  /** Adds events that come with no step. */
  addEvents(events: readonly StoredEvent[]): Promise<void>

  /** The name of the change log: drawn with the database, and anew by a restore. */
  readonly logId: string
  /** The number of the newest change. */
  logHead(): Promise<number>
  /**
   * At most `limit` changes after a number, in order; with `owner` only that user's.
   * @throws {CursorTooOld} where some of them are deleted, or the number is beyond the head.
   */
  changesAfter(number: number, limit: number, owner?: string): Promise<StoredChange[]>
  /** Calls `listener` after each commit of this process that appended changes: a hint to read the log. Returns how to stop it. */
  onCommit(listener: () => void): () => void
  /** Deletes at most `most` of the oldest changes from before `at`; returns how many. */
  deleteChangesBefore(at: number, most: number): Promise<number>

  /** The job of an id; with `owner` only where it is that user's, so that another's costs what one that is not there costs. */
  job(id: string, owner?: string): Promise<StoredJob | undefined>
  jobs(filter: JobFilter): Promise<StoredJob[]>
  /** Every job that has not ended, in order of submission: what the loop works on. */
  notEnded(): Promise<StoredJob[]>
  /**
   * A page of what everybody may know of jobs that have not ended, in order of submission, after the job with this `seq`.
   */
  glimpses(after: number, limit: number): Promise<JobGlimpse[]>
  /** The jobs of these ids that there are. */
  jobsById(ids: readonly string[]): Promise<StoredJob[]>
  /** Tasks of an array by their place, the first and the last included. */
  tasks(arrayId: string, first: number, last: number): Promise<StoredJob[]>
  attempts(jobIds: readonly string[]): Promise<StoredAttempt[]>
  /** The latest attempt of every job that starts, runs or stops. */
  activeAttempts(): Promise<StoredAttempt[]>
  events(jobId: string): Promise<StoredEvent[]>
  secret(jobId: string): Promise<string | undefined>

  /** Everything that was set for users and groups. */
  holders(): Promise<StoredHolder[]>
  /** Sets it, instead of what was set before. */
  setHolder(holder: StoredHolder): Promise<void>
  /** Whether there was something set. */
  clearHolder(kind: StoredHolder['kind'], name: string, at: number): Promise<boolean>
  shares(): Promise<StoredShare[]>
  /** Writes all shares anew, from endings that are stored. */
  replaceShares(shares: readonly StoredShare[]): Promise<void>
  runHistories(): Promise<StoredRunHistory[]>
  deleteRunHistoriesBefore(at: number): Promise<void>
  /** Since an instant, to the day. */
  estimateScores(since: number): Promise<EstimateScores>
  /** The newest so many, newest last. */
  startForecasts(most: number): Promise<StartForecast[]>
  deleteStartForecastsBefore(at: number): Promise<void>
  /**
   * At most `most` jobs with their last attempts, of those that ran and ended, oldest ending first, and where several ended
   * at the same instant by id: those after this one.
   */
  endedRuns(after: EndedAt, most: number): Promise<{ readonly job: StoredJob; readonly attempt: StoredAttempt }[]>

  account(name: string): Promise<StoredAccount | undefined>
  directory(): Promise<Directory>
  /**
   * Changes users, groups and projects: `decide` sees them as they are and says what to write, in one transaction that no
   * other process comes between. What it throws is thrown, and nothing is written. The tokens of users who are disabled
   * are revoked with that. Returns what was written.
   */
  changeDirectory(decide: (directory: Directory) => readonly DirectoryChange[]): Promise<readonly DirectoryChange[]>
  /** Names of users whose jobs are to end. */
  usersToCancel(): Promise<string[]>

  /** False, and nothing is stored, where the user is disabled or unknown, or it would outlive the token it was made with. */
  addToken(token: StoredToken): Promise<boolean>
  tokenByHash(hash: string): Promise<StoredToken | undefined>
  /** A user's tokens, oldest first; without those of jobs that have ended. */
  tokens(account: string): Promise<StoredToken[]>
  /** Revokes a token and those that were made with it; false where it was revoked already, or is none. */
  revokeToken(id: string, at: number): Promise<boolean>
  /**
   * Stores `successor` in the place of a token, which ends at `endsAt`: what was made with the one ends with the other from
   * now on. False, and nothing is stored, where the token is no longer good.
   */
  rotateToken(id: string, successor: StoredToken, endsAt: number): Promise<boolean>
  /** Notes when tokens were last used, by their ids. */
  noteTokenUse(uses: ReadonlyMap<string, number>): Promise<void>

  /** Appends to the audit trail; each entry is chained to the one before. */
  addAudit(entries: readonly AuditEntry[]): Promise<void>
  audit(filter: AuditFilter): Promise<StoredAuditEntry[]>
  /** Deletes entries from before, all but the newest of them, which those that stay follow on. */
  deleteAuditBefore(at: number): Promise<void>
  /** Keeps credentials in place of those that the account had for the registry. */
  putRegistryLogin(login: StoredRegistryLogin): Promise<void>
  registryLogin(account: string, registry: string): Promise<StoredRegistryLogin | undefined>
  /** All of an account, by registry. */
  registryLogins(account: string): Promise<StoredRegistryLogin[]>
  /** False where there are none. */
  deleteRegistryLogin(account: string, registry: string): Promise<boolean>
  /** Who ran which image when last, latest first; of one image, one account, or all. */
  imageUses(of: { readonly image?: string; readonly account?: string }): Promise<ImageUse[]>
  /** Images of jobs that start, run or stop, and of waiting ones that know their digest. */
  imagesInUse(): Promise<readonly { readonly image: string; readonly digest: string | undefined }[]>

  /** Deletes at most `most` jobs that ended before, with their attempts and events; returns the ids of their attempts. */
  deleteJobsEndedBefore(at: number, most: number): Promise<string[]>
  /** At most `most` attempts that ended before `to`, in order of their ends: those after this one. */
  attemptsEndedBefore(to: number, after: EndedAt, most: number): Promise<(EndedAt & { readonly attemptId: string })[]>
  /** The last attempt whose log retention has deleted; undefined before the first. */
  logsDeletedTo(): Promise<EndedAt | undefined>
  setLogsDeletedTo(place: EndedAt): Promise<void>
  deleteIdempotencyBefore(at: number): Promise<void>
  /** How many jobs are in each state that is not an end. */
  jobsByState(): Promise<ReadonlyMap<JobState, number>>
  /** Writes something to the disk. @throws where the store cannot be written. */
  checkWritable(): Promise<void>
  close(): Promise<void>
}
