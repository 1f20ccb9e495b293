import type { Kysely } from 'kysely'
import { execute } from '../sql/execute.ts'
import { insertRows } from '../sql/insert-rows.ts'
import type { Schema } from '../sql/schema.ts'
import type { JobStep, StoredShare } from '../store.ts'

/** One row for each pair of user and group with any charge. */
export async function allShares(db: Kysely<Schema>): Promise<StoredShare[]> {
  return (await db.selectFrom('shares').selectAll().execute()).map(shareOf)
}

/** Writes the charge of a step inside its transaction. Served by the primary key. */
export async function charge(db: Kysely<Schema>, { user, group, next }: NonNullable<JobStep['charge']>): Promise<void> {
  const name = group ?? ''
  const [row] = await execute(
    db,
    'select share',
    () => db.selectFrom('shares').selectAll().where('account', '=', user).where('group_name', '=', name),
    [user, name],
  )
  const values = shareRow(next(row && shareOf(row)))
  const list = Object.values(values)
  await execute(
    db,
    'upsert share',
    () =>
      db
        .insertInto('shares')
        .values(values)
        .onConflict((conflict) => conflict.columns(['account', 'group_name']).doUpdateSet(values)),
    [...list, ...list],
  )
}

export async function replaceShares(db: Kysely<Schema>, shares: readonly StoredShare[]): Promise<void> {
  await db.deleteFrom('shares').execute()
  await insertRows(db, 'shares', shares.map(shareRow))
}

const shareOf = ({ account, group_name, core_hours, at }: Schema['shares']): StoredShare => ({
  user: account,
  ...(group_name === '' ? {} : { group: group_name }),
  coreHours: core_hours,
  at,
})

const shareRow = ({ user, group, coreHours, at }: StoredShare): Schema['shares'] => ({
  account: user,
  group_name: group ?? '',
  core_hours: coreHours,
  at,
})
