import type { Kysely } from 'kysely'
import type { Schema } from './schema.ts'
import type { StoredAccount } from './store.ts'

export async function insertAccount(db: Kysely<Schema>, account: StoredAccount, at: number): Promise<void> {
  const { name, uid, gid, admin, groups } = account
  await db
    .insertInto('accounts')
    .values({ name, uid, gid, admin: admin ? 1 : 0, created_at: at })
    .execute()
  if (groups.length > 0) {
    await db
      .insertInto('memberships')
      .values(groups.map((group) => ({ account: name, group_name: group.name })))
      .execute()
  }
}

/** Accounts with their groups: one by name, or all. */
export async function findAccounts(db: Kysely<Schema>, name?: string): Promise<StoredAccount[]> {
  let query = db
    .selectFrom('accounts')
    .leftJoin('memberships', 'memberships.account', 'accounts.name')
    .leftJoin('groups', 'groups.name', 'memberships.group_name')
    .select([
      'accounts.name',
      'accounts.uid',
      'accounts.gid',
      'accounts.admin',
      'groups.name as group',
      'groups.gid as groupId',
    ])
  if (name !== undefined) query = query.where('accounts.name', '=', name)
  const accounts = new Map<string, StoredAccount & { groups: { name: string; gid: number }[] }>()
  for (const row of await query.orderBy('accounts.name').orderBy('groups.name').execute()) {
    const account = accounts.get(row.name) ?? {
      name: row.name,
      uid: row.uid,
      gid: row.gid,
      admin: row.admin === 1,
      groups: [],
    }
    if (row.group !== null && row.groupId !== null) account.groups.push({ name: row.group, gid: row.groupId })
    accounts.set(row.name, account)
  }
  return [...accounts.values()]
}

/** The gid of a group; the group is made with `gid` where it is new. */
export async function ensureGroup(db: Kysely<Schema>, name: string, gid: number): Promise<number> {
  await db
    .insertInto('groups')
    .values({ name, gid })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  return (await db.selectFrom('groups').select('gid').where('name', '=', name).executeTakeFirstOrThrow()).gid
}

export const allGroups = (db: Kysely<Schema>): Promise<{ name: string; gid: number }[]> =>
  db.selectFrom('groups').select(['name', 'gid']).orderBy('name').execute()
