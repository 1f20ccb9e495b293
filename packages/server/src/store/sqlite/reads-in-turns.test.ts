import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Kysely, sql } from 'kysely'
import { ReadsInTurns } from './reads-in-turns.ts'
import { asBetterSqlite } from './statements.ts'

test('many long reads that begin together leave turns of the event loop to others', async () => {
  const database = new DatabaseSync(':memory:')
  // Longer than a turn may take.
  database.function('busy', () => {
    for (const end = performance.now() + 10; performance.now() < end;);
    return 1
  })
  const db = new Kysely<object>({ dialect: new ReadsInTurns({ database: asBetterSqlite(database) }, 'small') })
  await sql`select 1`.execute(db)
  let turns = 0
  let isOver = false
  const count = (): void => {
    turns++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  const order: number[] = []
  const reads = Array.from({ length: 10 }, async (_, i) => {
    await sql`select busy()`.execute(db)
    order.push(i)
  })
  await Promise.all(reads)
  isOver = true
  // One a turn, and two in the first: it begins before the turn of immediates.
  assert.ok(turns >= 8, `${turns} turns`)
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  await db.destroy()
})
