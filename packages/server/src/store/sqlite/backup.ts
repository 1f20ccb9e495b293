import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { ifThere, isDiskFull } from '../../lib/files.ts'
import type { Seal } from '../../lib/secrets/seal.ts'
import { newLogId } from './open.ts'

/** The first fact of every backup: what the file is, and the version of its form. */
const form = 'science-platform backup 1'

/** Pages in one step of a copy: 4 MB. Between two steps the process hears signals. */
const pagesPerStep = 1000
/** Bytes of a log in one row. */
const partBytes = 4 * 2 ** 20
/** Result codes of SQLite: a statement about what is not there, a damaged file, a full disk, and a file that is no database. */
const sqliteCodes = { error: 1, corrupt: 11, full: 13, notDatabase: 26 } as const
/** A log, or the note about what is missing in one. A backup that somebody changed must write nowhere else. */
const logName = /^[A-Za-z0-9-]+\.(?:log|gap)$/

/** What a backup says of itself. */
export interface BackupFacts {
  /** The version of the platform that wrote it. */
  readonly version: string
  /** When it was begun, in milliseconds since the epoch. */
  readonly at: number
  /** The identity of the database. */
  readonly identity: string
  /** Logs in it. */
  readonly logs: number
}

/** What copies tell and hear. */
export interface CopyControl {
  readonly onProgress: (text: string) => void
  readonly signal: AbortSignal
}

/** What a backup is made of. */
export interface BackupSource {
  /** Path of the database; a server may write to it meanwhile. */
  readonly database: string
  /** The folder of the logs of ended attempts; absent: without logs. */
  readonly logs?: string
  readonly seal: Pick<Seal, 'derive'>
  readonly version: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Thrown where a backup cannot be written or restored. Nothing is left of the try. */
export class BackupFailed extends Error {
  override readonly name = 'BackupFailed'
}

/**
 * Writes a backup, as the database was at one moment: an SQLite database with the tables `backup_facts` and `backup_logs` beside its
 * own. It takes the place of an earlier file at the end, or not at all. It holds a fingerprint of the seal's key and never the key.
 *
 * @throws {BackupFailed}
 */
export async function writeBackup(file: string, source: BackupSource, control: CopyControl): Promise<BackupFacts> {
  const partial = `${file}.partial`
  return withoutRemains(partial, file, async () => {
    await copyDatabase(source.database, partial, 'database', control)
    const target = new DatabaseSync(partial)
    try {
      target.exec(`
        pragma journal_mode = delete; pragma synchronous = off;
        create table backup_facts (name text primary key, value text not null);
        create table backup_logs (name text, part integer, bytes blob not null, primary key (name, part))`)
      const logs = source.logs === undefined ? 0 : await copyLogsIn(target, source.logs, control)
      const note = target.prepare('insert into backup_facts values (?, ?)')
      note.run('form', form)
      note.run('version', source.version)
      note.run('at', String(source.now))
      note.run('logs', String(logs))
      note.run('key', fingerprint(source.seal))
      return factsOf(target)
    } finally {
      target.close()
    }
  })
}

/** Where a backup is restored to. */
export interface RestoreTarget {
  /** Path of the database, which does not exist yet. */
  readonly database: string
  /** The folder of logs. A log that is there stays as it is. */
  readonly logs: string
  readonly seal: Pick<Seal, 'derive'>
  /** What becomes of the tokens: those that were revoked after the backup would be valid again. */
  readonly tokens: 'keep' | 'revoke'
  /** Milliseconds since the epoch. */
  readonly now: number
}

/**
 * Restores a backup. Draws a new id for the change log: its numbers after the backup are given again. The identity stays.
 *
 * @param check - Opens the restored database, before it is put in its place. It throws where this version cannot use it.
 * @throws {BackupFailed}
 */
export async function restoreBackup(
  file: string,
  { database, logs, seal, tokens, now }: RestoreTarget,
  check: (path: string) => Promise<void>,
  control: CopyControl,
): Promise<BackupFacts & { readonly tokensRevoked: number }> {
  await access(file, constants.R_OK).catch((error: Error) => {
    throw new BackupFailed(`The backup ${file} cannot be read: ${error.message}`)
  })
  const facts = readBackup(file, seal)
  const partial = `${database}.restoring`
  return withoutRemains(partial, database, async () => {
    await copyDatabase(file, partial, 'database', control)
    const target = new DatabaseSync(partial)
    let tokensRevoked = 0
    try {
      if (facts.logs > 0) await copyLogsOut(target, logs, control)
      target.exec('drop table backup_facts; drop table backup_logs')
      // The pages of the logs would stay in the file for ever.
      if (facts.logs > 0) target.exec('vacuum')
      const note = target.prepare(
        'insert into facts values (?, ?) on conflict (name) do update set value = excluded.value',
      )
      note.run('log_id', newLogId())
      note.run('restored_at', String(now))
      if (tokens === 'revoke')
        tokensRevoked = Number(
          target.prepare('update tokens set revoked_at = ? where revoked_at is null').run(now).changes,
        )
    } finally {
      target.close()
    }
    await check(partial)
    // What the check has written stands beside the file until then, and would not move with it.
    const checked = new DatabaseSync(partial)
    checked.exec('pragma journal_mode = delete')
    checked.close()
    return { ...facts, tokensRevoked }
  })
}

/** Reads what a file says of itself, and whether it is whole. @throws {BackupFailed} */
function readBackup(file: string, seal: Pick<Seal, 'derive'>): BackupFacts {
  const source = new DatabaseSync(file, { readOnly: true })
  try {
    const key = keyOf(source)
    if (key === undefined) throw new BackupFailed(`${file} is no backup: science-platform backup did not write it.`)
    if (key !== fingerprint(seal))
      throw new BackupFailed(
        'The seal.key in the data directory is not the key of this backup. Put the right one there.',
      )
    const faults = source
      .prepare('pragma quick_check(3)')
      .all()
      .map((row) => String(Object.values(row)[0]))
    if (faults.join() !== 'ok') throw new BackupFailed(`${file} is damaged: ${faults.join('; ')}. Use another backup.`)
    return factsOf(source)
  } finally {
    source.close()
  }
}

/** The fingerprint of the key in a backup; undefined where the file is none. */
function keyOf(source: DatabaseSync): string | undefined {
  try {
    const rows = source.prepare("select name, value from backup_facts where name in ('form', 'key')").all()
    const facts = new Map(rows.map(({ name, value }) => [String(name), String(value)]))
    return facts.get('form') === form ? facts.get('key') : undefined
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined
    // No SQLite database, or one without this table.
    if (code === sqliteCodes.notDatabase || code === sqliteCodes.error) return undefined
    if (code === sqliteCodes.corrupt)
      throw new BackupFailed(`The backup is damaged: ${(error as Error).message}. Use another backup.`)
    throw error
  }
}

function factsOf(database: DatabaseSync): BackupFacts {
  const read = (table: string, name: string): string =>
    String(database.prepare(`select value from ${table} where name = ?`).get(name)?.['value'] ?? '')
  return {
    version: read('backup_facts', 'version'),
    at: Number(read('backup_facts', 'at')),
    identity: read('facts', 'identity'),
    logs: Number(read('backup_facts', 'logs')),
  }
}

/** Reveals nothing of the key, and is equal for equal keys alone. */
const fingerprint = (seal: Pick<Seal, 'derive'>): string =>
  createHash('sha256').update(seal.derive('fingerprint of the key for backups', 32)).digest('hex')

/**
 * Copies a database by SQLite's online backup. The open transaction holds its state: without it each write of another process would
 * make the copy start again.
 */
async function copyDatabase(
  from: string,
  to: string,
  what: string,
  { onProgress, signal }: CopyControl,
): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true, timeout: 10_000 })
  try {
    source.exec('begin')
    source.prepare('select count(*) from sqlite_schema').get()
    await backup(source, to, {
      rate: pagesPerStep,
      progress: ({ totalPages, remainingPages }) => {
        signal.throwIfAborted()
        onProgress(`${what}: ${Math.round((100 * (totalPages - remainingPages)) / totalPages)} %`)
      },
    })
    signal.throwIfAborted()
  } finally {
    source.close()
  }
}

async function copyLogsIn(target: DatabaseSync, folder: string, { onProgress, signal }: CopyControl): Promise<number> {
  const insert = target.prepare('insert into backup_logs values (?, ?, ?)')
  const names = ((await ifThere(readdir(folder))) ?? []).filter((name) => logName.test(name))
  let copied = 0
  target.exec('begin')
  for (const name of names) {
    signal.throwIfAborted()
    // Retention may delete a log meanwhile.
    const file = await ifThere(open(join(folder, name)))
    if (file === undefined) continue
    let part = 0
    for await (const bytes of file.createReadStream({ highWaterMark: partBytes }))
      insert.run(name, part++, bytes as Buffer)
    if (part === 0) insert.run(name, 0, new Uint8Array())
    if (name.endsWith('.log')) copied++
    if (copied % 100 === 0) onProgress(`logs: ${copied} of ${names.length}`)
  }
  target.exec('commit')
  return copied
}

async function copyLogsOut(source: DatabaseSync, folder: string, { onProgress, signal }: CopyControl): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const names = source
    .prepare('select distinct name from backup_logs')
    .all()
    .map(({ name }) => String(name))
  const parts = source.prepare('select bytes from backup_logs where name = ? order by part')
  for (const [i, name] of names.entries()) {
    signal.throwIfAborted()
    if (!logName.test(name))
      throw new BackupFailed(`The backup has a log of the name ${JSON.stringify(name)}: somebody changed it.`)
    const path = join(folder, name)
    if ((await ifThere(stat(path))) !== undefined) continue
    const partial = `${path}.restoring`
    const file = await open(partial, 'w', 0o600)
    try {
      for (const { bytes } of parts.iterate(name)) await file.appendFile(bytes as Uint8Array)
    } finally {
      await file.close()
    }
    await rename(partial, path)
    if (i % 100 === 99) onProgress(`logs: ${i + 1} of ${names.length}`)
  }
}

/** Does work that writes a file, and puts that into its place; removes it where the work fails. */
async function withoutRemains<T>(partial: string, file: string, work: () => Promise<T>): Promise<T> {
  const remove = async (): Promise<void> => {
    for (const suffix of ['', '-journal', '-wal', '-shm']) await rm(partial + suffix, { force: true })
  }
  try {
    // What a killed command left.
    await remove()
    await (await open(partial, 'wx', 0o600)).close()
    const result = await work()
    await sync(partial, 'r+')
    await rename(partial, file)
    await sync(dirname(file), 'r')
    return result
  } catch (error) {
    await remove()
    const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined
    if (isDiskFull(error) || code === sqliteCodes.full)
      throw new BackupFailed(
        `There is no room for ${file} on its disk. Make room, or use another disk; nothing was changed.`,
      )
    throw error
  }
}

async function sync(path: string, flags: 'r' | 'r+'): Promise<void> {
  const file = await open(path, flags)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
