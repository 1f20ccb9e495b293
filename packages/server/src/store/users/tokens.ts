import { sql, type Kysely, type Selectable } from 'kysely'
import { insertItems } from '../sql/insert-rows.ts'
import type { Schema } from '../sql/schema.ts'
import type { WriteTransaction } from '../sql/write-transaction.ts'
import type { StoredToken } from '../store.ts'

/** Stores a token, unless its user is disabled or it would outlive its parent token. */
export async function insertToken(db: Kysely<Schema>, token: StoredToken): Promise<boolean> {
  const owner = await db
    .selectFrom('accounts')
    .select('name')
    .where('name', '=', token.account)
    .where('disabled_at', 'is', null)
    .executeTakeFirst()
  if (owner === undefined) return false
  if (token.madeWith !== undefined && !(await isOutlived(db, token, token.madeWith))) return false
  await db.insertInto('tokens').values(rowOf(token)).execute()
  return true
}

/**
 * Stores tokens of jobs of one submission; already revoked where their parent token has ended. A submission may be stored in
 * several transactions: the later tokens follow `lead`, its first, as a rotation or revocation in between left it.
 */
export async function insertTokensOfJobs(
  db: Kysely<Schema>,
  tokens: readonly StoredToken[],
  lead: StoredToken | undefined,
): Promise<void> {
  if (lead === undefined || tokens.length === 0) return
  const stored = await db
    .selectFrom('tokens')
    .select(['made_with', 'revoked_at'])
    .where('id', '=', lead.id)
    .executeTakeFirst()
  const isDead = lead.madeWith !== undefined && !(await isOutlived(db, lead, lead.madeWith))
  const common = stored ?? (isDead ? { revoked_at: lead.createdAt } : {})
  await insertItems(db, 'tokens', tokens, (token) => ({ ...rowOf(token), ...common }))
}

/** Whether the parent token is valid and expires no earlier than the child. */
async function isOutlived(
  db: Kysely<Schema>,
  { createdAt, expiresAt = Infinity }: StoredToken,
  maker: string,
): Promise<boolean> {
  const ends = await endOf(db, maker)
  return ends !== undefined && ends > createdAt && ends >= expiresAt
}

/** The expiry of a token, `Infinity` for none; undefined where it was revoked or does not exist. */
async function endOf(db: Kysely<Schema>, id: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('tokens')
    .select('expires_at')
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return row && (row.expires_at ?? Infinity)
}

/** Served by the unique key on the hash. */
export async function findToken(db: Kysely<Schema>, hash: string): Promise<StoredToken | undefined> {
  const row = await db.selectFrom('tokens').selectAll().where('hash', '=', hash).executeTakeFirst()
  return row && tokenOf(row)
}

/** Leaves out tokens of jobs that are not visible yet. */
const isOfVisibleJob = sql<boolean>`not exists
  (select 1 from staged join jobs on jobs.seq between staged.first_job and staged.last_job where jobs.id = tokens.job_id)`

/** Served by tokens_by_account. */
export async function tokensOf(db: Kysely<Schema>, account: string): Promise<StoredToken[]> {
  const rows = await db
    .selectFrom('tokens')
    .selectAll()
    .where('account', '=', account)
    .where((where) => where.or([where('job_id', 'is', null), where('revoked_at', 'is', null)]))
    .where(isOfVisibleJob)
    .orderBy('created_at')
    .execute()
  return rows.map(tokenOf)
}

export async function revokeToken(tx: WriteTransaction, id: string, at: number): Promise<boolean> {
  return (await revokeWithDescendants(tx, 'id', id, at)) > 0
}

/** Revokes the token that a job carries. Served by tokens_by_job. */
export async function revokeTokenOfJob(tx: WriteTransaction, jobId: string, at: number): Promise<void> {
  await revokeWithDescendants(tx, 'job_id', jobId, at)
}

/** Revokes all tokens of a user. Served by tokens_by_account. */
export async function revokeTokensOf(tx: WriteTransaction, account: string, at: number): Promise<void> {
  await revokeWithDescendants(tx, 'account', account, at)
}

/** Revokes tokens and their descendants; returns their count. Served by tokens_by_maker. */
async function revokeWithDescendants(
  tx: WriteTransaction,
  column: 'id' | 'job_id' | 'account',
  value: string,
  at: number,
): Promise<number> {
  const revoked = await tx.db
    .withRecursive('ending(id)', (query) =>
      query
        .selectFrom('tokens')
        .select('tokens.id')
        .where(`tokens.${column}`, '=', value)
        .where('tokens.revoked_at', 'is', null)
        .union(query.selectFrom('tokens').innerJoin('ending', 'ending.id', 'tokens.made_with').select('tokens.id')),
    )
    .updateTable('tokens')
    .set({ revoked_at: at })
    .where('id', 'in', (query) => query.selectFrom('ending').select('ending.id'))
    .where('revoked_at', 'is', null)
    .returning(['id', 'account'])
    .execute()
  for (const { id, account } of revoked) tx.append({ at, kind: 'token-revoked', owner: account, subject: id })
  return revoked.length
}

export async function rotateToken(
  tx: WriteTransaction,
  id: string,
  successor: StoredToken,
  endsAt: number,
): Promise<boolean> {
  const { db } = tx
  const ends = await endOf(db, id)
  if (ends === undefined || ends <= successor.createdAt || !(await insertToken(db, successor))) return false
  await db
    .updateTable('tokens')
    .set({ made_with: successor.id })
    .where('made_with', '=', id)
    .where('id', '!=', successor.id)
    .execute()
  await db
    .updateTable('tokens')
    .set({ expires_at: endsAt })
    .where('id', '=', id)
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', endsAt)]))
    .execute()
  tx.append({ at: successor.createdAt, kind: 'token-rotated', owner: successor.account, subject: id })
  return true
}

export async function noteUse(db: Kysely<Schema>, uses: ReadonlyMap<string, number>): Promise<void> {
  for (const [id, at] of uses) await db.updateTable('tokens').set({ last_used_at: at }).where('id', '=', id).execute()
}

/** The row of a token. */
function rowOf(token: StoredToken): Schema['tokens'] {
  return {
    id: token.id,
    prefix: token.prefix,
    hash: token.hash,
    account: token.account,
    name: token.name,
    scopes: token.scopes.join(' '),
    created_at: token.createdAt,
    expires_at: token.expiresAt ?? null,
    revoked_at: token.revokedAt ?? null,
    last_used_at: token.lastUsedAt ?? null,
    made_with: token.madeWith ?? null,
    job_id: token.jobId ?? null,
  }
}

function tokenOf(row: Selectable<Schema['tokens']>): StoredToken {
  return {
    id: row.id,
    prefix: row.prefix,
    hash: row.hash,
    account: row.account,
    name: row.name,
    scopes: row.scopes.split(' ').filter((scope) => scope !== ''),
    createdAt: row.created_at,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at }),
    ...(row.made_with === null ? {} : { madeWith: row.made_with }),
    ...(row.job_id === null ? {} : { jobId: row.job_id }),
  }
}
