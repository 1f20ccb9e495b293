import { hash } from 'node:crypto'
import { masked } from '../lib/secrets/mask.ts'

/** How an audited action came out: it happened; it was not allowed or made no sense; the server failed. */
export type Outcome = 'done' | 'refused' | 'failed'

/** Which door an actor came through: our own API, the skaha wire, or a command of an administrator on the machine. */
export type Door = 'api' | 'skaha' | 'command'

/** One line of the audit trail: who did what, to what, when, from where, and how it came out. Never how: no bodies, no secrets. */
export interface AuditEntry {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** The account; for a command the operating system's user; absent where nobody was recognised. */
  readonly actor?: string
  readonly via: Door
  /** The beginning of the token that was used, as `token list` shows it. */
  readonly tokenPrefix?: string
  /** The job whose own token it was. */
  readonly tokenJob?: string
  /** The route's `operationId` or `config.action`; for a command its words. */
  readonly action: string
  /** The id or name of what it was about. */
  readonly subject?: string
  /** The client's address; absent for a command. */
  readonly address?: string
  readonly outcome: Outcome
  /** The HTTP status; absent for a command. */
  readonly status?: number
  /** The kind of problem that was answered, of the table of problems. */
  readonly problem?: string
  /** How many times the same was refused; more than 1 where several are told as one. */
  readonly count: number
}

/** An entry with its place in the trail. */
export interface StoredAuditEntry extends AuditEntry {
  /** 1, 2, 3, … without gaps. */
  readonly seq: number
  /** {@link chainHash} of the entry before and of this one. */
  readonly hash: string
}

/** Characters of a subject that are kept. */
const subjectLimit = 200

/** What an entry says that it was about: what was asked for, without a secret that somebody took for an id or a name. Pure. */
export const subjectOf = (text: string): string => masked(text).slice(0, subjectLimit)

/** What the first entry of a trail follows on. */
export const trailStart = { seq: 0, hash: '' } as const

/** The hash of an entry that follows on another: SHA-256 over its hash and all that the entry says. Pure. */
export function chainHash(before: string, seq: number, entry: AuditEntry): string {
  const { at, actor, via, tokenPrefix, tokenJob, action, subject, address, outcome, status, problem, count } = entry
  const said = [
    before,
    seq,
    at,
    actor,
    via,
    tokenPrefix,
    tokenJob,
    action,
    subject,
    address,
    outcome,
    status,
    problem,
    count,
  ]
  // What is absent is null in JSON, so that no two entries are written alike.
  return hash('sha256', JSON.stringify(said))
}

/** Entries with their places after `last`, in the order given. Pure. */
export function chained(
  last: Pick<StoredAuditEntry, 'seq' | 'hash'>,
  entries: readonly AuditEntry[],
): StoredAuditEntry[] {
  let { seq, hash: before } = last
  return entries.map((entry) => {
    seq += 1
    before = chainHash(before, seq, entry)
    return { ...entry, seq, hash: before }
  })
}
