import type { Kysely, Selectable } from 'kysely'
import type { Schema } from '../sql/schema.ts'
import type { StoredRegistryLogin } from '../store.ts'

/** Replaces the account's credentials for this registry. */
export async function putRegistryLogin(db: Kysely<Schema>, login: StoredRegistryLogin): Promise<void> {
  const { account, registry, createdAt, ...rest } = login
  const change = { ...rest, created_at: createdAt }
  await db
    .insertInto('registry_logins')
    .values({ account, registry, ...change })
    .onConflict((conflict) => conflict.columns(['account', 'registry']).doUpdateSet(change))
    .execute()
}

/** Served by the primary key. */
export async function registryLoginsOf(db: Kysely<Schema>, account: string): Promise<StoredRegistryLogin[]> {
  const rows = await db
    .selectFrom('registry_logins')
    .selectAll()
    .where('account', '=', account)
    .orderBy('registry')
    .execute()
  return rows.map(loginOf)
}

/** Served by the primary key. */
export async function findRegistryLogin(
  db: Kysely<Schema>,
  account: string,
  registry: string,
): Promise<StoredRegistryLogin | undefined> {
  const row = await db
    .selectFrom('registry_logins')
    .selectAll()
    .where('account', '=', account)
    .where('registry', '=', registry)
    .executeTakeFirst()
  return row && loginOf(row)
}

export async function deleteRegistryLogin(db: Kysely<Schema>, account: string, registry: string): Promise<boolean> {
  const result = await db
    .deleteFrom('registry_logins')
    .where('account', '=', account)
    .where('registry', '=', registry)
    .executeTakeFirst()
  return result.numDeletedRows > 0n
}

const loginOf = ({ created_at, ...rest }: Selectable<Schema['registry_logins']>): StoredRegistryLogin => ({
  ...rest,
  createdAt: created_at,
})
