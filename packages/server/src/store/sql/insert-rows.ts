import { CompiledQuery, type Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** Rows per statement, largest first: below the bound-value limit of every database, and enough to amortise a statement. */
const rowsPerStatement = [50, 12, 3, 1] as const

/** SQL by table, columns and number of rows: building the text costs more than running it. */
const texts = new Map<string, string>()

/** Inserts rows with the same columns in the same order. */
export const insertRows = <T extends keyof Schema>(
  db: Kysely<Schema>,
  table: T,
  rows: readonly Schema[T][],
): Promise<void> => insertItems(db, table, rows, (row) => row)

/** Inserts a row for each item. It makes the rows of one statement at a time. */
export async function insertItems<T extends keyof Schema, I>(
  db: Kysely<Schema>,
  table: T,
  items: readonly I[],
  rowOf: (item: I, index: number) => Schema[T],
): Promise<void> {
  for (let i = 0; i < items.length;) {
    const left = items.length - i
    const count = rowsPerStatement.find((size) => size <= left) ?? 1
    const part = items.slice(i, i + count).map((item, j) => rowOf(item, i + j))
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
