import type { Command } from 'commander'
import type { StoredAuditEntry } from '../audit/entry.ts'
import { verifyTrail } from '../audit/verify.ts'
import type { AuditFilter, Store } from '../store/store.ts'
import { located } from './located.ts'
import { withStore, type Location } from './open-store.ts'
import { printTable } from './output/table.ts'

/** Defines the commands under `audit`. */
export function define(audit: Command): void {
  located(audit.command('list'))
    .description('list the newest entries of the audit trail')
    .option('--user <name>', 'entries of this user')
    .option('--action <action>', 'entries of this action, such as submitJobs or "user add"')
    .option('--subject <id>', 'entries about this job, user or token')
    .option('--since <time>', 'entries from this time on: 2026-11-23, 2026-11-23T08:00Z')
    .option('--until <time>', 'entries before this time')
    .option('--limit <count>', 'number of entries', Number, 50)
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  science-platform audit list --user ada --since 2026-11-01 --data DIR')
    .action(listAudit)
  located(audit.command('verify'))
    .description('verify that no entry was changed or deleted; prints the newest entry, to be stored elsewhere')
    .option('--expect <head>', 'an entry that audit verify printed before, SEQ:HASH, which must still be in the trail')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  science-platform audit verify --data DIR')
    .action(verifyAudit)
}

/** Options of `audit list`. */
interface AuditListOptions extends Location {
  readonly user?: string
  readonly action?: string
  readonly subject?: string
  readonly since?: string
  readonly until?: string
  readonly limit: number
  readonly json?: true
}

/** `audit list`: newest first. */
async function listAudit(options: AuditListOptions): Promise<void> {
  const { user, action, subject, since, until, limit } = options
  if (!Number.isInteger(limit) || limit < 1) throw new Error('--limit takes a whole number of at least 1.')
  const filter: AuditFilter = {
    ...(user === undefined ? {} : { actor: user }),
    ...(action === undefined ? {} : { action }),
    ...(subject === undefined ? {} : { subject }),
    ...(since === undefined ? {} : { since: instantOf('--since', since) }),
    ...(until === undefined ? {} : { until: instantOf('--until', until) }),
    order: 'newest-first',
    limit,
  }
  const entries = await withStore(options, (store) => store.audit(filter))
  if (options.json) {
    process.stdout.write(`${JSON.stringify(entries.map(auditRecord), undefined, 2)}\n`)
    return
  }
  printTable(
    ['SEQ', 'TIME', 'ACTOR', 'ACTION', 'FROM', 'OUTCOME', 'SUBJECT'],
    entries.map((entry) => [
      String(entry.seq),
      `${new Date(entry.at).toISOString().slice(0, 19)}Z`,
      entry.actor ?? '-',
      entry.action,
      entry.address === undefined ? entry.via : `${entry.address} ${entry.via}`,
      outcomeOf(entry),
      entry.subject ?? '-',
    ]),
  )
}

/** `refused 401 unauthenticated, 312 times`. For a done action the outcome is enough. */
function outcomeOf({ outcome, status, problem, count }: StoredAuditEntry): string {
  const words = outcome === 'done' ? [outcome] : [outcome, status, problem].filter((word) => word !== undefined)
  return `${words.join(' ')}${count === 1 ? '' : `, ${count} times`}`
}

/** `audit verify`: prints the newest entry, or fails when entries were changed or deleted. */
async function verifyAudit(options: Location & { readonly expect?: string; readonly json?: true }): Promise<void> {
  const kept = options.expect === undefined ? undefined : headOf(options.expect)
  const verdict = await withStore(options, (store) => verifyTrail(wholeTrail(store), kept))
  if (!verdict.whole) throw new Error(`The audit trail is not whole: at entry ${verdict.seq} ${verdict.fault}.`)
  const { entries, head } = verdict
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ entries, head: `${head.seq}:${head.hash}` }, undefined, 2)}\n`
      : `${entries} entries, unchanged and without gaps\n${head.seq}:${head.hash}\n`,
  )
}

const pageSize = 1_000

async function* wholeTrail(store: Pick<Store, 'audit'>): AsyncGenerator<StoredAuditEntry> {
  for (let after = 0; ;) {
    const page = await store.audit({ order: 'oldest-first', after, limit: pageSize })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) return
    after = last.seq
  }
}

const auditRecord = ({ at, ...entry }: StoredAuditEntry) => ({ ...entry, at: new Date(at).toISOString() })

function headOf(text: string): Pick<StoredAuditEntry, 'seq' | 'hash'> {
  const [, seq, hash] = /^([0-9]{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (seq === undefined || hash === undefined)
    throw new Error(`--expect takes SEQ:HASH, as audit verify prints it; it was ${JSON.stringify(text)}.`)
  return { seq: Number(seq), hash }
}

function instantOf(option: string, text: string): number {
  const at = Date.parse(text)
  if (Number.isNaN(at))
    throw new Error(
      `${option} takes an instant such as 2026-11-23 or 2026-11-23T08:00Z; it was ${JSON.stringify(text)}.`,
    )
  return at
}
