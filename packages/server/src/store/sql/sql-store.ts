import type { Kysely } from 'kysely'
import type { Seal } from '../../lib/secrets/seal.ts'
import * as accounts from '../users/accounts.ts'
import * as audit from '../users/audit.ts'
import { eventsOf, noteEvents } from '../jobs/events.ts'
import { scoresSince } from '../queue/estimate-scores.ts'
import { deleteForecastsBefore, newestForecasts } from '../queue/start-forecasts.ts'
import { GroupCommit } from './group-commit.ts'
import * as holders from '../queue/holders.ts'
import { imagesInUse, imageUses } from '../jobs/image-uses.ts'
import * as jobs from '../jobs/jobs.ts'
import * as registryLogins from '../users/registry-logins.ts'
import * as runs from '../queue/run-histories.ts'
import type { Schema } from './schema.ts'
import * as shares from '../queue/shares.ts'
import { deleteStagedBefore } from '../jobs/staging.ts'
import { takeStep, type TakenStep } from '../jobs/steps.ts'
import * as changes from './changes.ts'
import * as facts from './facts.ts'
import type { StoredChange } from '../change.ts'
import type { AuditEntry } from '../../audit/entry.ts'
import type { Store } from '../store.ts'
import { answeredBefore, deleteIdempotencyBefore, storeSubmission } from '../jobs/submissions.ts'
import * as tokens from '../users/tokens.ts'

/** Options of a store besides its database. */
export interface StoreOptions {
  /** Milliseconds since the epoch. @defaultValue the system's clock */
  readonly now?: () => number
  /** Called after each commit with the duration of its transaction in seconds. */
  readonly onCommit?: (seconds: number) => void
}

/** The database connections of a store. */
export interface Connections {
  /** One connection: its transactions run one after another. */
  readonly writer: Kysely<Schema>
  /** Reads committed data, independent of the writer: what scheduling and short answers read, which does not wait for many pages. */
  readonly reader: Kysely<Schema>
  /** As `reader`, for the pieces of long answers. */
  readonly pages: Kysely<Schema>
}

/** Rows of a short answer: at most about a millisecond. */
const fewRows = 200

/**
 * The store over any database that Kysely supports. A driver provides the connections and runs the migrations. Job
 * specifications are encrypted with the seal.
 */
export function sqlStore(
  { writer, reader: db, pages }: Connections,
  { logId, identity }: Pick<Store, 'logId' | 'identity'>,
  seal: Seal,
  { now = Date.now, onCommit }: StoreOptions = {},
): Store {
  const listeners = new Set<(changes: readonly StoredChange[]) => void>()
  const readerOf = (rows: number): Kysely<Schema> => (rows <= fewRows ? db : pages)
  const commit = new GroupCommit(writer, (seconds, committed) => {
    onCommit?.(seconds)
    if (committed.length > 0) for (const listener of listeners) listener(committed)
  })
  return {
    submit: (submission) => storeSubmission(commit, submission, seal),
    deleteStagedBefore: (at) => deleteStagedBefore(pages, commit, at),
    answeredBefore: (idempotency) => answeredBefore(db, idempotency),
    step: async (steps, audit) => {
      const taken = await commit.run(async (tx) => {
        const all: TakenStep[] = []
        for (const step of steps) {
          const one = await takeStep(tx, step, seal)
          if (one !== undefined) all.push(one)
        }
        return all
      }, auditedBy(audit))
      return taken.map(({ job, change }) => ({ job, change: change.number }))
    },
    addEvents: (events) => commit.run((tx) => noteEvents(tx, events)),

    identity,
    restoredAt: async () => {
      const at = await facts.readFact(db, 'restored_at')
      return at === undefined ? undefined : Number(at)
    },
    noteAdopted: () => commit.run((tx) => facts.deleteFact(tx.db, 'restored_at')),
    logId,
    logHead: () => changes.headOfLog(db),
    changesAfter: (number, limit, owner) => changes.changesAfter(readerOf(limit), number, limit, owner),
    onCommit: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    deleteChangesBefore: (at, most) => commit.run((tx) => changes.deleteChangesBefore(tx.db, at, most)),

    job: (id, owner) => jobs.findJob(db, seal, id, owner),
    jobs: (filter) => jobs.listJobs(readerOf(filter.limit), seal, filter),
    jobOutlines: (filter) => jobs.listOutlines(readerOf(filter.limit), filter),
    notEnded: (after = 0, limit = Number.MAX_SAFE_INTEGER) => jobs.jobsNotEnded(db, seal, after, limit),
    notEndedOf: (owner, filter, after, limit) => jobs.notEndedOf(readerOf(limit), owner, filter, after, limit),
    glimpses: (after, limit) => jobs.glimpses(pages, after, limit),
    jobsById: (ids) => jobs.jobsById(db, seal, ids),
    glimpsesById: (ids) => jobs.glimpsesById(ids.length === 1 ? db : pages, ids),
    tasks: (arrayId, page) => jobs.tasksOf(db, seal, arrayId, page),
    attempts: (jobIds) => jobs.attemptsOf(db, jobIds),
    recordedAttempts: (ids) => jobs.recordedAttempts(db, ids),
    events: (jobId) => eventsOf(db, jobId),
    secret: (jobId) => jobs.sealedSecret(db, jobId),

    holders: () => holders.allHolders(db),
    setHolder: (holder) => commit.run((tx) => holders.upsertHolder(tx, holder)),
    clearHolder: (kind, name, at) => commit.run((tx) => holders.deleteHolder(tx, kind, name, at)),
    shares: () => shares.allShares(pages),
    replaceShares: (all) => commit.run((tx) => shares.replaceShares(tx.db, all)),
    runHistories: () => runs.allRunHistories(pages),
    deleteRunHistoriesBefore: (at) => commit.run((tx) => runs.deleteRunHistoriesBefore(tx.db, at)),
    estimateScores: (since) => scoresSince(pages, since),
    startForecasts: (most) => newestForecasts(pages, most),
    deleteStartForecastsBefore: (at) => commit.run((tx) => deleteForecastsBefore(tx.db, at)),
    endedRuns: (after, most) => runs.endedRuns(pages, after, most, seal),

    account: async (name) => (await accounts.findAccounts(db, name))[0],
    directory: () => accounts.readDirectory(pages),
    changeDirectory: (decide) => commit.run((tx) => accounts.changeDirectory(tx, decide, now())),
    usersToCancel: () => accounts.usersToCancel(db),
    addToken: (token) => commit.run((tx) => tokens.insertToken(tx.db, token)),
    tokenByHash: (hash) => tokens.findToken(db, hash),
    tokens: (account) => tokens.tokensOf(db, account),
    revokeToken: (id, at) => commit.run((tx) => tokens.revokeToken(tx, id, at)),
    rotateToken: (id, successor, endsAt) => commit.run((tx) => tokens.rotateToken(tx, id, successor, endsAt)),
    noteTokenUse: (uses) => commit.run((tx) => tokens.noteUse(tx.db, uses)),

    addAudit: (entries) =>
      commit.run(
        async () => {},
        () => entries,
      ),
    audit: (filter) => audit.listAudit(readerOf(filter.limit), filter),
    deleteAuditBefore: (at) => commit.run((tx) => audit.deleteAuditBefore(tx.db, at)),
    putRegistryLogin: (login) => commit.run((tx) => registryLogins.putRegistryLogin(tx.db, login)),
    registryLogin: (account, registry) => registryLogins.findRegistryLogin(db, account, registry),
    registryLogins: (account) => registryLogins.registryLoginsOf(db, account),
    deleteRegistryLogin: (account, registry) =>
      commit.run((tx) => registryLogins.deleteRegistryLogin(tx.db, account, registry)),
    imageUses: (of) => imageUses(pages, of),
    imagesInUse: () => imagesInUse(pages),

    deleteJobsEndedBefore: (at, most) => commit.run((tx) => jobs.deleteEnded(tx, at, most, now())),
    attemptsEndedBefore: (to, after, most) => jobs.attemptsEndedBefore(pages, to, after, most),
    logsDeletedTo: () => jobs.logsDeletedTo(db),
    setLogsDeletedTo: (place) => commit.run((tx) => jobs.setLogsDeletedTo(tx.db, place)),
    deleteIdempotencyBefore: (at) => commit.run((tx) => deleteIdempotencyBefore(tx.db, at)),
    jobsByState: () => jobs.countByState(pages),
    checkWritable: async () => {
      await commit.run((tx) => tx.db.updateTable('probe').set({ at: now() }).execute())
    },
    close: async () => {
      await commit.idle()
      await writer.destroy()
      await db.destroy()
      await pages.destroy()
    },
  }
}

/** The audit entries of a write with at most one. A write without an entry succeeds also where the trail cannot be written. */
const auditedBy = (audit: AuditEntry | undefined): (() => readonly AuditEntry[]) | undefined =>
  audit === undefined ? undefined : () => [audit]
