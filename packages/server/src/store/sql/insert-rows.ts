import { CompiledQuery, type Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** Rows in one statement, largest first: few enough for every database's limit on values, many enough to amortise a statement. */
const rowsPerStatement = [50, 12, 3, 1] as const

/** SQL by table, columns and number of rows: building it costs more than running it. */
const texts = new Map<string, string>()

/** Inserts rows that all have the same columns, in the same order. */
export async function insertRows<T extends keyof Schema>(
  db: Kysely<Schema>,
  table: T,
  rows: readonly Schema[T][],
): Promise<void> {
  for (let i = 0; i < rows.length;) {
    const left = rows.length - i
    const count = rowsPerStatement.find((size) => size <= left) ?? 1
    const part = rows.slice(i, i + count)
    const columns = Object.keys(part[0] ?? {})
    const key = `${table} ${columns.join()} ${count}`
    let text = texts.get(key)
    if (text === undefined) {
      text = db
        .insertInto(table)
        .values(part as never)
        .compile().sql
      texts.set(key, text)
    }
    await db.executeQuery(
      CompiledQuery.raw(
        text,
        part.flatMap((row): unknown[] => Object.values(row as object)),
      ),
    )
    i += count
  }
}
