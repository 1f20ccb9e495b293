import type { Kysely, Selectable } from 'kysely'
import type { Schema } from './schema.ts'
import type { StoredToken } from './store.ts'

export async function insertToken(db: Kysely<Schema>, token: StoredToken): Promise<void> {
  await db
    .insertInto('tokens')
    .values({
      id: token.id,
      prefix: token.prefix,
      hash: token.hash,
      account: token.account,
      name: token.name,
      scopes: token.scopes.join(' '),
      created_at: token.createdAt,
      expires_at: token.expiresAt ?? null,
      revoked_at: token.revokedAt ?? null,
    })
    .execute()
}

/** Served by the unique key on the hash. */
export async function findToken(db: Kysely<Schema>, hash: string): Promise<StoredToken | undefined> {
  const row = await db.selectFrom('tokens').selectAll().where('hash', '=', hash).executeTakeFirst()
  return row && tokenOf(row)
}

export async function tokensOf(db: Kysely<Schema>, account: string): Promise<StoredToken[]> {
  const rows = await db.selectFrom('tokens').selectAll().where('account', '=', account).orderBy('created_at').execute()
  return rows.map(tokenOf)
}

export async function revokeToken(db: Kysely<Schema>, id: string, at: number): Promise<boolean> {
  const result = await db
    .updateTable('tokens')
    .set({ revoked_at: at })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
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
  }
}
