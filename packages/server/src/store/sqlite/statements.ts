import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { SqliteDialect } from 'kysely'

/**
 * `node:sqlite` in the shape that Kysely's SQLite dialect asks for. Statements are kept, since preparing one costs more
 * than running it; 500 of them at most, the oldest goes.
 */
export function asBetterSqlite(
  database: DatabaseSync,
): Exclude<ConstructorParameters<typeof SqliteDialect>[0]['database'], () => unknown> {
  const kept = new Map<string, ReturnType<typeof statement>>()
  const adapted = {
    prepare: (text: string) => {
      const known = kept.get(text)
      if (known !== undefined) return known
      // A transaction that reads first and then writes would fail at once where another process wrote in between.
      const made = statement(database.prepare(text === 'begin' ? 'begin immediate' : text))
      kept.set(text, made)
      const [oldest] = kept.keys()
      if (kept.size > 500 && oldest !== undefined) kept.delete(oldest)
      return made
    },
    close: () => {
      database.close()
    },
  }
  return adapted
}

function statement(prepared: StatementSync) {
  return {
    reader: prepared.columns().length > 0,
    all: (values: readonly unknown[]) => prepared.all(...(values as SQLInputValue[])),
    run: (values: readonly unknown[]) => prepared.run(...(values as SQLInputValue[])),
    iterate: (values: readonly unknown[]) => prepared.iterate(...(values as SQLInputValue[])),
  }
}
