/** A Lease as this server reads it (coordination.k8s.io/v1). */
export interface LeaseRecord {
  /** The identity of the database whose server holds it; '' where the object names none. */
  readonly identity: string
  /** The process that holds it; '' once that has released it. */
  readonly process: string
  /** Host name of that process. */
  readonly host: string
  /** Since when the identity holds it, in the API's form; '' where it is not said. */
  readonly since: string
  /** When it was renewed last, in the API's form. */
  readonly renewed: string
}

/** The server that wants the Lease. */
export interface Candidate {
  readonly identity: string
  readonly host: string
}

/** The Jobs of the instance that have not ended, by whether the candidate's database has a record of their attempts. */
export interface JobCounts {
  readonly recorded: number
  readonly others: number
}

/**
 * What a server does at its start.
 *
 * - `take`: the Lease is free, or the server's own.
 * - `wait`: another host holds it for the same database: a copy of this server may run there.
 * - `refuse`: it belongs to another database.
 */
export type LeaseJudgement = { readonly type: 'take' | 'wait' } | { readonly type: 'refuse'; readonly whose: string }

/** Decides who may run the Jobs of an instance in a namespace. Pure. */
export function judgeLease(lease: LeaseRecord | undefined, me: Candidate, jobs: JobCounts): LeaseJudgement {
  if (lease === undefined || lease.identity === '') {
    // Releases before the Lease left none: then the Jobs show whose the namespace is.
    if (jobs.others === 0 || jobs.recorded > 0) return { type: 'take' }
    return { type: 'refuse', whose: `${jobs.others} Jobs there have no record in this database, and none has one` }
  }
  if (lease.identity !== me.identity) {
    const since = lease.since === '' ? '' : ` since ${lease.since}`
    const server =
      lease.process === ''
        ? `its server on ${lease.host} has stopped`
        : `its server on ${lease.host} renewed the Lease last at ${lease.renewed}`
    return { type: 'refuse', whose: `they belong to the database ${lease.identity}${since}; ${server}` }
  }
  // A pod of a StatefulSet keeps its name: after a crash it need not wait for its own Lease to run out.
  return { type: lease.process === '' || lease.host === me.host ? 'take' : 'wait' }
}
