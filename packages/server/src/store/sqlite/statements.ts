import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { SqliteDialect } from 'kysely'

/**
 * Adapts `node:sqlite` to the interface of Kysely's SQLite dialect. It caches prepared statements, since preparing costs more
 * than running. The cache has at most 500 entries; the oldest is evicted.
 */
export function asBetterSqlite(
  database: DatabaseSync,
): Exclude<ConstructorParameters<typeof SqliteDialect>[0]['database'], () => unknown> {
  const kept = new Map<string, ReturnType<typeof statement>>()
  const adapted = {
    prepare: (text: string) => {
      const known = kept.get(text)
      if (known !== undefined) return known
      // A transaction that reads first and then writes would fail at once after a write of another process.
      const made = statement(database.prepare(text === 'begin' ? 'begin immediate' : text))
      kept.set(text, made)
      const [oldest] = kept.keys()
      if (kept.size > 500 && oldest !== undefined) kept.delete(oldest)
      return made
    },
    // Several dialects may share one connection.
    close: () => {
      if (database.isOpen) database.close()
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
