import assert from 'node:assert/strict'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { test } from 'node:test'
import { Kysely, sql, SqliteDialect } from 'kysely'
import { GroupCommit } from './group-commit.ts'
import type { Schema } from './schema.ts'
import type { WriteTransaction } from './write-transaction.ts'
import { asBetterSqlite } from '../sqlite/statements.ts'

/** An in-memory database that counts its commits. */
class CountingDatabase extends DatabaseSync {
  commits = 0

  override prepare(text: string): StatementSync {
    const statement = super.prepare(text)
    if (text !== 'commit') return statement
    const run = statement.run.bind(statement)
    statement.run = (...values: never[]) => {
      this.commits++
      return run(...values)
    }
    return statement
  }
}

function counting() {
  const database = new CountingDatabase(':memory:')
  database.exec('create table written (n integer primary key)')
  const db = new Kysely<Schema>({ dialect: new SqliteDialect({ database: asBetterSqlite(database) }) })
  const commit = new GroupCommit(db)
  const write = (n: number) => commit.run((tx) => sql`insert into written values (${n})`.execute(tx.db))
  const written = () =>
    database
      .prepare('select n from written order by n')
      .all()
      .map((row) => row.n)
  return { database, db, commit, write, written }
}

test('concurrent writes share a commit', async () => {
  const { database, db, write, written } = counting()
  await Promise.all(Array.from({ length: 100 }, (_, n) => write(n)))
  assert.equal(written().length, 100)
  assert.equal(database.commits, 1)
  await write(100)
  assert.equal(database.commits, 2)
  await db.destroy()
})

test('a failed write is rolled back alone and does not affect the others', async () => {
  const { db, commit, write, written } = counting()
  const half = commit.run(async (tx) => {
    await sql`insert into written values (7)`.execute(tx.db)
    throw new Error('half way')
  })
  const outcomes = await Promise.allSettled([write(1), half, write(2)])
  assert.deepEqual(
    outcomes.map((outcome) => outcome.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.deepEqual(written(), [1, 2])
  await db.destroy()
})

test('small writes and pieces of a large one take turns, a small write waits for at most one piece', async () => {
  const { database, db, commit, written } = counting()
  const commitsAt = new Map<number, number>()
  const insert = async (tx: WriteTransaction, n: number) => {
    await sql`insert into written values (${n})`.execute(tx.db)
    commitsAt.set(n, database.commits)
  }
  const large = async (): Promise<void> => {
    for (const n of [100, 101, 102]) await commit.runPiece((tx) => insert(tx, n))
  }
  const small = async (): Promise<void> => {
    for (const n of [1, 2, 3, 4]) await commit.run((tx) => insert(tx, n))
  }
  const failing = commit.runPiece(async (tx) => {
    await insert(tx, 7)
    throw new Error('half way')
  })
  await Promise.all([large(), small(), assert.rejects(failing, /half way/)])
  assert.deepEqual(written(), [1, 2, 3, 4, 100, 101, 102])
  const small2 = commitsAt.get(2) ?? 0
  assert.ok(small2 - (commitsAt.get(1) ?? 0) <= 2, 'one piece at most comes between two small writes')
  assert.equal(new Set([100, 101, 102].map((n) => commitsAt.get(n))).size, 3, 'each piece is a transaction of its own')
  await db.destroy()
})

test('a failed commit rejects all of its writes', async () => {
  const { database, db, write } = counting()
  database.exec('pragma foreign_keys = on')
  database.exec('create table parent (id integer primary key)')
  database.exec('create table child (id integer references parent deferrable initially deferred)')
  database.exec('create trigger orphan after insert on written begin insert into child values (new.n); end')
  const outcomes = await Promise.allSettled([write(1), write(2)])
  assert.deepEqual(
    outcomes.map((outcome) => outcome.status),
    ['rejected', 'rejected'],
  )
  await db.destroy()
})
