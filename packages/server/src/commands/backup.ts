import { existsSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Option, type Command } from 'commander'
import platform from '../../package.json' with { type: 'json' }
import { foldersOf } from '../executor/oci/attempt/folders.ts'
import { InvalidRequest } from '../job/invalid.ts'
import { makeFolders } from '../lib/files.ts'
import { openSeal } from '../lib/secrets/seal.ts'
import { BackupFailed, restoreBackup, writeBackup, type CopyControl } from '../store/sqlite/backup.ts'
import { openSqliteStore, sealFile } from '../store/sqlite/open.ts'
import { claimDataDir } from './instance.ts'
import { located } from './located.ts'
import { changeStore, configAt, databasePath, operator, type Location } from './open-store.ts'
import { printChange, type OutputOptions } from './output/output.ts'
import { createProgress } from './output/progress.ts'

/** Defines `backup`. */
export function defineBackup(command: Command): void {
  located(command.argument('<file>', 'where to write it; an earlier file is replaced at the end'))
    .option('--logs', 'with the logs of ended attempts')
    .option('--json', 'print what was written as JSON')
    .addHelpText(
      'after',
      [
        '',
        'The server may run meanwhile. The file never holds seal.key: keep a copy of the key in another place.',
        '',
        'Example:',
        '  science-platform backup /backup/platform.backup --logs --data /var/lib/science-platform',
      ].join('\n'),
    )
    .action(runBackup)
}

/** Defines `restore`. */
export function defineRestore(command: Command): void {
  located(command.argument('<file>', 'a file that science-platform backup wrote'))
    .addOption(
      new Option('--keep-tokens', 'tokens that were revoked after the backup are valid again').conflicts(
        'revokeTokens',
      ),
    )
    .option('--revoke-tokens', 'every token ends, those of running jobs too; users need new ones')
    .option('--json', 'print what was restored as JSON')
    .addHelpText(
      'after',
      [
        '',
        'Put seal.key into the data directory first. The directory must hold no database; attempts that run there go on.',
        'Then start the server: it adopts the attempts that started after the backup.',
        '',
        'Example:',
        '  science-platform restore /backup/platform.backup --revoke-tokens --data /var/lib/science-platform',
      ].join('\n'),
    )
    .action(runRestore)
}

type BackupOptions = Location & OutputOptions & { readonly logs?: true }

async function runBackup(path: string, options: BackupOptions): Promise<void> {
  const file = resolve(path)
  const { dataDir } = await configAt(options)
  const database = databasePath(dataDir)
  if (!existsSync(database))
    throw new InvalidRequest('data', `${dataDir} holds no database`, 'Name the data directory with --data or --config.')
  if (file === database || file.startsWith(`${database}-`))
    throw new InvalidRequest('file', `${file} is the database itself`, 'Name a file on another disk.')
  await withProgress('nothing was written', (control) =>
    changeStore(options, { action: 'backup', subject: file }, async () => {
      const seal = await openSeal(join(dataDir, sealFile))
      const logs = options.logs === true ? { logs: foldersOf(dataDir).logs } : {}
      const source = { database, ...logs, seal, version: platform.version, now: Date.now() }
      const facts = await writeBackup(file, source, control)
      const { size } = await stat(file)
      return { file, bytes: size, ...shown(facts) }
    }),
  ).then((written) => {
    const logs = options.logs === true ? ` and ${written.logs} logs` : ''
    printChange(
      written,
      options,
      `wrote ${file}: the database ${written.identity}${logs}, ${written.bytes} bytes; without seal.key`,
    )
  })
}

type RestoreOptions = Location & OutputOptions & { readonly keepTokens?: true; readonly revokeTokens?: true }

async function runRestore(path: string, options: RestoreOptions): Promise<void> {
  const file = resolve(path)
  if (options.keepTokens !== true && options.revokeTokens !== true)
    throw new InvalidRequest(
      'tokens',
      'Tokens that were revoked after the backup would be valid again, and nothing says whether they may',
      'Say --keep-tokens or --revoke-tokens.',
    )
  const config = await configAt(options)
  await makeFolders(config.dataDir)
  const dataDir = await realpath(config.dataDir)
  const release = await claimDataDir(dataDir)
  try {
    const database = databasePath(dataDir)
    requireEmpty(database)
    const key = join(dataDir, sealFile)
    if (!existsSync(key))
      throw new InvalidRequest(
        'seal.key',
        `${key} is missing. Without the key, the jobs and credentials in the backup cannot be read`,
        `Copy the seal.key of the platform to ${key}, readable only by the server (mode 600). No backup holds it.`,
      )
    const target = {
      database,
      logs: foldersOf(dataDir).logs,
      seal: await openSeal(key),
      tokens: options.revokeTokens === true ? 'revoke' : 'keep',
      now: Date.now(),
    } as const
    const facts = await withProgress('nothing was restored', (control) =>
      restoreBackup(file, target, (restored) => noteInAudit(restored, file), control),
    )
    const { tokensRevoked } = facts
    const tokens = target.tokens === 'keep' ? 'all tokens kept' : `${tokensRevoked} tokens revoked`
    const from = new Date(facts.at).toISOString()
    printChange(
      { dataDir, ...shown(facts), tokensRevoked },
      options,
      `restored ${dataDir}: the database ${facts.identity} as of ${from}, ${facts.logs} logs, ${tokens}; start the server now`,
    )
  } finally {
    await release()
  }
}

/** @throws {InvalidRequest} where there is a database, or what is left of one. */
function requireEmpty(database: string): void {
  for (const path of [database, `${database}-wal`])
    if (existsSync(path))
      throw new InvalidRequest(
        'data',
        `${path} exists: a restore would replace this platform's data`,
        'Move platform.db and its companions (-wal, -shm) away first, or name another --data.',
      )
}

/** Opens the restored database as a server does, which brings it to this version, and notes the restore in the audit trail. */
async function noteInAudit(database: string, file: string): Promise<void> {
  const store = await openSqliteStore(database)
  try {
    await store.addAudit([
      {
        at: Date.now(),
        actor: operator(),
        via: 'command',
        action: 'restore',
        subject: file,
        outcome: 'done',
        count: 1,
      },
    ])
  } finally {
    await store.close()
  }
}

const shown = <T extends { readonly at: number }>(facts: T): Omit<T, 'at'> & { readonly at: string } => ({
  ...facts,
  at: new Date(facts.at).toISOString(),
})

/** Does work that shows its progress, and that SIGINT and SIGTERM end. */
async function withProgress<T>(interruption: string, work: (control: CopyControl) => Promise<T>): Promise<T> {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      interrupted.abort(new BackupFailed(`Interrupted; ${interruption}.`))
    })
  const progress = createProgress()
  let last = ''
  const onProgress = (text: string): void => {
    if (text === last) return
    last = text
    progress.show(text)
  }
  try {
    return await work({ onProgress, signal: interrupted.signal })
  } finally {
    progress.end()
  }
}
