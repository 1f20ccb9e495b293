import { userInfo } from 'node:os'
import { join } from 'node:path'
import { subjectOf, type Outcome } from '../audit/entry.ts'
import type { Config } from '../configuration/config.ts'
import { readConfig } from '../configuration/read.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import type { Store } from '../store/store.ts'

/** Where an administrative command finds the platform. */
export interface Location {
  readonly data?: string
  readonly config?: string
}

/** The configuration that `serve` would use there. */
export const configAt = ({
  data,
  config,
  listen,
  logFormat,
}: Location & { readonly listen?: string; readonly logFormat?: string }): Promise<Config> =>
  readConfig({ file: config, env: process.env, flags: { dataDir: data, listen, logFormat } })

/** Path of the database in a data directory. */
export const databasePath = (dataDir: string): string => join(dataDir, 'platform.db')

/** Does `work` with the store of a platform; it may be serving meanwhile. */
export async function withStore<T>(location: Location, work: (store: Store, config: Config) => Promise<T>): Promise<T> {
  const config = await configAt(location)
  const store = await openSqliteStore(databasePath(config.dataDir))
  try {
    return await work(store, config)
  } finally {
    await store.close()
  }
}

/**
 * Does `work`, which changes something, with the store of a platform, and writes to the audit trail who did what and how
 * it came out.
 */
export function changeStore<T>(
  location: Location,
  { action, subject }: { readonly action: string; readonly subject: string },
  work: (store: Store, config: Config) => Promise<T>,
): Promise<T> {
  return withStore(location, async (store, config) => {
    const record = (outcome: Outcome): Promise<void> =>
      store.addAudit([
        { at: Date.now(), actor: operator(), via: 'command', action, subject: subjectOf(subject), outcome, count: 1 },
      ])
    let result: T
    try {
      result = await work(store, config)
    } catch (error) {
      await record('refused')
      throw error
    }
    await record('done')
    return result
  })
}

/** Who runs this command: the user behind sudo, or the process's own. */
export function operator(): string {
  const { SUDO_USER } = process.env
  if (SUDO_USER !== undefined && SUDO_USER !== '') return SUDO_USER
  try {
    return userInfo().username
  } catch {
    // A user id without a name.
    return `uid ${process.getuid?.() ?? '?'}`
  }
}
