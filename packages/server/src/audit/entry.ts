import { hash } from 'node:crypto'
import { masked } from '../lib/secrets/mask.ts'

/** Outcome of an audited action: it was done; it was not allowed or invalid; the server failed. */
export type Outcome = 'done' | 'refused' | 'failed'

/** The interface that an actor used: the platform's own API, the skaha wire, or a command on the machine. */
export type EntryPoint = 'api' | 'skaha' | 'command'

/** An entry of the audit trail: actor, action, subject, time, origin and outcome. It has no request bodies and no secrets. */
export interface AuditEntry {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** The account; for a command the operating system's user; absent for an unauthenticated request. */
  readonly actor?: string
  readonly via: EntryPoint
  /** The beginning of the token that was used, as `token list` shows it. */
  readonly tokenPrefix?: string
  /** The job that carries the token. */
  readonly tokenJob?: string
  /** The route's `operationId` or `config.action`; for a command its words. */
  readonly action: string
  /** The id or name that the action was about. */
  readonly subject?: string
  /** The client's address; absent for a command. */
  readonly address?: string
  readonly outcome: Outcome
  /** The HTTP status; absent for a command. */
  readonly status?: number
  /** The problem type of the response. */
  readonly problem?: string
  /** The number of equal refusals that the entry stands for. */
  readonly count: number
}

/** An entry with its place in the trail. */
export interface StoredAuditEntry extends AuditEntry {
  /** 1, 2, 3, … without gaps. */
  readonly seq: number
  /** {@link chainHash} of the entry before and of this one. */
  readonly hash: string
}

/** Characters of a subject. */
const subjectLimit = 200

/** The subject of an entry from the text of a request, with secrets masked: a user may send a token in place of an id. Pure. */
export const subjectOf = (text: string): string => masked(text).slice(0, subjectLimit)

/** The predecessor of the first entry of a trail. */
export const trailStart = { seq: 0, hash: '' } as const

/** The hash of an entry: SHA-256 over the hash of its predecessor and all fields of the entry. Pure. */
export function chainHash(before: string, seq: number, entry: AuditEntry): string {
  const { at, actor, via, tokenPrefix, tokenJob, action, subject, address, outcome, status, problem, count } = entry
  const fields = [
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
  // An absent field is null in JSON, so that different entries have different texts.
  return hash('sha256', JSON.stringify(fields))
}

/** Entries with sequence numbers and hashes after `last`, in their order. Pure. */
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
