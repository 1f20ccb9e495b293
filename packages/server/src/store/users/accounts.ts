import type { Kysely } from 'kysely'
import type { Schema } from '../sql/schema.ts'
import type { Directory, DirectoryChange, StoredAccount, StoredGroup, StoredProject } from '../store.ts'
import { lock } from '../sql/lock.ts'
import type { WriteTransaction } from '../sql/write-transaction.ts'
import { revokeTokensOf } from './tokens.ts'

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
      'accounts.disabled_at',
      'accounts.cancel_jobs',
      'groups.name as group',
      'groups.gid as groupId',
    ])
  if (name !== undefined) query = query.where('accounts.name', '=', name)
  const accounts = new Map<string, StoredAccount & { groups: StoredGroup[] }>()
  for (const row of await query.orderBy('accounts.name').orderBy('groups.name').execute()) {
    const account = accounts.get(row.name) ?? {
      name: row.name,
      uid: row.uid,
      gid: row.gid,
      admin: row.admin === 1,
      groups: [],
      ...(row.disabled_at === null ? {} : { disabledAt: row.disabled_at }),
      ...(row.cancel_jobs === 1 ? { cancelJobs: true as const } : {}),
    }
    if (row.group !== null && row.groupId !== null) account.groups.push({ name: row.group, gid: row.groupId })
    accounts.set(row.name, account)
  }
  return [...accounts.values()]
}

/** The directory that a change of users, groups and projects depends on. */
export async function readDirectory(db: Kysely<Schema>): Promise<Directory> {
  const users = await findAccounts(db)
  const groups = await db.selectFrom('groups').select(['name', 'gid']).orderBy('name').execute()
  const projects = await db.selectFrom('projects').select(['name', 'group_name as group']).orderBy('name').execute()
  const given = await db.selectFrom('given_ids').selectAll().execute()
  const idsOf = (kind: 'user' | 'group') =>
    new Map(given.filter((row) => row.kind === kind).map(({ id, name }) => [id, name] as const))
  return {
    users: byName(users),
    groups: byName(groups),
    projects: byName(projects),
    uids: idsOf('user'),
    gids: idsOf('group'),
  }
}

const byName = <T extends { readonly name: string }>(rows: readonly T[]): ReadonlyMap<string, T> =>
  new Map(rows.map((row) => [row.name, { ...row }]))

/** Changes users, groups and projects by `decide`. The lock row excludes other writers from the read to the commit. */
export async function changeDirectory(
  tx: WriteTransaction,
  decide: (directory: Directory) => readonly DirectoryChange[],
  at: number,
): Promise<readonly DirectoryChange[]> {
  await lock(tx.db, 'directory')
  const changes = decide(await readDirectory(tx.db))
  for (const change of changes) {
    await writeChange(tx, change, at)
    tx.append({ at, kind: `${change.type}-changed`, subject: nameOf(change) })
  }
  return changes
}

const nameOf = (change: DirectoryChange): string =>
  change.type === 'user' ? change.user.name : change.type === 'group' ? change.group.name : change.project.name

async function writeChange(tx: WriteTransaction, change: DirectoryChange, at: number): Promise<void> {
  if (change.type === 'group') return writeGroup(tx.db, change.group)
  if (change.type === 'project') return writeProject(tx.db, change.project, at)
  return writeUser(tx, change.user, at)
}

async function writeUser(tx: WriteTransaction, user: StoredAccount, at: number): Promise<void> {
  const { db } = tx
  const { name, uid, gid } = user
  const settings = {
    admin: user.admin ? 1 : 0,
    disabled_at: user.disabledAt ?? null,
    cancel_jobs: user.cancelJobs === true ? 1 : 0,
  }
  await db
    .insertInto('accounts')
    .values({ name, uid, gid, created_at: at, ...settings })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(settings))
    .execute()
  await giveId(db, 'user', uid, name)
  await giveId(db, 'group', gid, name)
  await db.deleteFrom('memberships').where('account', '=', name).execute()
  if (user.groups.length > 0) {
    await db
      .insertInto('memberships')
      .values(user.groups.map((group) => ({ account: name, group_name: group.name })))
      .execute()
  }
  if (user.disabledAt !== undefined) await revokeTokensOf(tx, name, user.disabledAt)
}

async function writeGroup(db: Kysely<Schema>, { name, gid }: StoredGroup): Promise<void> {
  await db
    .insertInto('groups')
    .values({ name, gid })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  await giveId(db, 'group', gid, name)
}

async function writeProject(db: Kysely<Schema>, { name, group }: StoredProject, at: number): Promise<void> {
  await db
    .insertInto('projects')
    .values({ name, group_name: group, created_at: at })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ group_name: group }))
    .execute()
}

/** Records an id. It stays assigned to its first name. */
async function giveId(db: Kysely<Schema>, kind: 'user' | 'group', id: number, name: string): Promise<void> {
  await db
    .insertInto('given_ids')
    .values({ kind, id, name })
    .onConflict((conflict) => conflict.columns(['kind', 'id']).doNothing())
    .execute()
}

/** Served by accounts_to_cancel. */
export async function usersToCancel(db: Kysely<Schema>): Promise<string[]> {
  const rows = await db.selectFrom('accounts').select('name').where('cancel_jobs', '=', 1).execute()
  return rows.map((row) => row.name)
}
