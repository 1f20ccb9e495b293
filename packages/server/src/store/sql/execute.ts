import { CompiledQuery, type Compilable, type Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** SQL by key: building the text costs more than running it. */
const texts = new Map<string, string>()

/**
 * Runs a statement that is run for every job, and returns its rows. Its text is built once for each key, from `build` at the first call.
 * @param key - All that the text depends on.
 * @param values - The bound values, in the order of the text.
 */
export async function execute<R>(
  db: Kysely<Schema>,
  key: string,
  build: () => Compilable<R>,
  values: readonly unknown[],
): Promise<R[]> {
  let text = texts.get(key)
  if (text === undefined) {
    const query = build().compile()
    if (query.parameters.length !== values.length)
      throw new Error(`The statement "${key}" has ${query.parameters.length} bound values, not ${values.length}.`)
    text = query.sql
    texts.set(key, text)
  }
  return (await db.executeQuery<R>(CompiledQuery.raw(text, [...values]))).rows
}
