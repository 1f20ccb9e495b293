import type { Kysely } from 'kysely'
import type { Seal } from '../../lib/secrets/seal.ts'
import type { StoredJob } from '../../job/job.ts'
import { sequence } from '../../job/sequence.ts'
import * as accounts from '../users/accounts.ts'
import * as audit from '../users/audit.ts'
import { eventsOf, insertEvents } from '../jobs/events.ts'
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
import { takeStep } from '../jobs/steps.ts'
import type { Store } from '../store.ts'
import { answeredBefore, deleteIdempotencyBefore, insertSubmission } from '../jobs/submissions.ts'
import * as tokens from '../users/tokens.ts'

/** What a store is told besides where its database is. */
export interface StoreOptions {
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly now?: () => number
  /** Called with the seconds of every transaction that was committed. */
  readonly onCommit?: (seconds: number) => void
}

/**
 * The store over any database that Kysely speaks to; a driver brings the connection and runs the migrations. What jobs ask
 * for is sealed in it.
 */
export function sqlStore(db: Kysely<Schema>, seal: Seal, { now = Date.now, onCommit }: StoreOptions = {}): Store {
  const commit = new GroupCommit(db, onCommit)
  const nextSeq = sequence(now)
  return {
    submit: (submission) =>
      commit.run(
        (tx) => insertSubmission(tx, submission, nextSeq, seal),
        ({ outcome }) => (outcome === 'stored' && submission.audit !== undefined ? [submission.audit] : []),
      ),
    answeredBefore: (idempotency) => answeredBefore(db, idempotency),
    step: (steps) =>
      commit.run(async (tx) => {
        const taken: StoredJob[] = []
        for (const step of steps) {
          const job = await takeStep(tx, step, nextSeq, seal)
          if (job !== undefined) taken.push(job)
        }
        return taken
      }),
    addEvents: (events) => commit.run((tx) => insertEvents(tx, events, nextSeq)),
    extendDeadline: (jobId, deadlineAt) => commit.run((tx) => jobs.moveDeadline(tx, jobId, deadlineAt)),
    remove: (jobId, at) => commit.run((tx) => jobs.markRemoved(tx, jobId, at)),

    job: (id, owner) => jobs.findJob(db, seal, id, owner),
    jobs: (filter) => jobs.listJobs(db, seal, filter),
    notEnded: () => jobs.jobsNotEnded(db, seal),
    attempts: (jobIds) => jobs.attemptsOf(db, jobIds),
    events: (jobId) => eventsOf(db, jobId),
    secret: (jobId) => jobs.sealedSecret(db, jobId),

    holders: () => holders.allHolders(db),
    setHolder: (holder) => commit.run((tx) => holders.upsertHolder(tx, holder)),
    clearHolder: (kind, name) => commit.run((tx) => holders.deleteHolder(tx, kind, name)),
    shares: () => shares.allShares(db),
    replaceShares: (all) => commit.run((tx) => shares.replaceShares(tx, all)),
    runHistories: () => runs.allRunHistories(db),
    deleteRunHistoriesBefore: (at) => commit.run((tx) => runs.deleteRunHistoriesBefore(tx, at)),
    estimateScores: (since) => scoresSince(db, since),
    startForecasts: (most) => newestForecasts(db, most),
    deleteStartForecastsBefore: (at) => commit.run((tx) => deleteForecastsBefore(tx, at)),
    endedRuns: (after, most) => runs.endedRuns(db, after, most, seal),

    account: async (name) => (await accounts.findAccounts(db, name))[0],
    directory: () => accounts.readDirectory(db),
    changeDirectory: (decide) =>
      commit.run(async (tx) => {
        const changes = decide(await accounts.readDirectory(tx))
        for (const change of changes) await accounts.writeChange(tx, change, now())
        return changes
      }),
    usersToCancel: () => accounts.usersToCancel(db),
    addToken: (token) => commit.run((tx) => tokens.insertToken(tx, token)),
    tokenByHash: (hash) => tokens.findToken(db, hash),
    tokens: (account) => tokens.tokensOf(db, account),
    revokeToken: (id, at) => commit.run((tx) => tokens.revokeToken(tx, id, at)),
    rotateToken: (id, successor, endsAt) => commit.run((tx) => tokens.rotateToken(tx, id, successor, endsAt)),
    noteTokenUse: (uses) => commit.run((tx) => tokens.noteUse(tx, uses)),

    addAudit: (entries) =>
      commit.run(
        async () => {},
        () => entries,
      ),
    audit: (filter) => audit.listAudit(db, filter),
    deleteAuditBefore: (at) => commit.run((tx) => audit.deleteAuditBefore(tx, at)),
    putRegistryLogin: (login) => commit.run((tx) => registryLogins.putRegistryLogin(tx, login)),
    registryLogin: (account, registry) => registryLogins.findRegistryLogin(db, account, registry),
    registryLogins: (account) => registryLogins.registryLoginsOf(db, account),
    deleteRegistryLogin: (account, registry) =>
      commit.run((tx) => registryLogins.deleteRegistryLogin(tx, account, registry)),
    imageUses: (of) => imageUses(db, of),
    imagesInUse: () => imagesInUse(db),

    deleteJobsEndedBefore: (at, most) => commit.run((tx) => jobs.deleteEnded(tx, at, most)),
    attemptsEndedBetween: (from, to) => jobs.attemptsEndedBetween(db, from, to),
    deleteIdempotencyBefore: (at) => commit.run((tx) => deleteIdempotencyBefore(tx, at)),
    jobsByState: () => jobs.countByState(db),
    checkWritable: async () => {
      await commit.run((tx) => tx.updateTable('probe').set({ at: now() }).execute())
    },
    close: async () => {
      await commit.idle()
      await db.destroy()
    },
  }
}
