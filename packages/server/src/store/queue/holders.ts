import type { Kysely } from 'kysely'
import type { Schema } from '../sql/schema.ts'
import type { WriteTransaction } from '../sql/write-transaction.ts'
import type { StoredHolder } from '../store.ts'

/** Reads all rows: there are few, one per quota holder with explicit limits. */
export async function allHolders(db: Kysely<Schema>): Promise<StoredHolder[]> {
  const rows = await db.selectFrom('holders').selectAll().orderBy('kind').orderBy('name').execute()
  return rows.map(({ kind, name, weight, limits_json, set_at }) => ({
    kind: kind as StoredHolder['kind'],
    name,
    ...(weight === null ? {} : { weight }),
    limits: JSON.parse(limits_json) as StoredHolder['limits'],
    setAt: set_at,
  }))
}

export async function upsertHolder(tx: WriteTransaction, holder: StoredHolder): Promise<void> {
  const { kind, name, weight = null, limits, setAt } = holder
  const values = { weight, limits_json: JSON.stringify(limits), set_at: setAt }
  await tx.db
    .insertInto('holders')
    .values({ kind, name, ...values })
    .onConflict((conflict) => conflict.columns(['kind', 'name']).doUpdateSet(values))
    .execute()
  tx.append({ at: setAt, kind: 'limit-set', subject: `${kind} ${name}` })
}

export async function deleteHolder(
  tx: WriteTransaction,
  kind: StoredHolder['kind'],
  name: string,
  at: number,
): Promise<boolean> {
  const result = await tx.db.deleteFrom('holders').where('kind', '=', kind).where('name', '=', name).executeTakeFirst()
  if (result.numDeletedRows === 0n) return false
  tx.append({ at, kind: 'limit-cleared', subject: `${kind} ${name}` })
  return true
}
