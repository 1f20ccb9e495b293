import { userInfo } from 'node:os'
import { join } from 'node:path'
import { subjectOf, type Outcome } from '../audit/entry.ts'
import type { Config } from '../configuration/config.ts'
import { readConfig } from '../configuration/read.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import type { Store } from '../store/store.ts'

/** Location of the platform, for administrative commands. */
export interface Location {
  readonly data?: string
  readonly config?: string
}

/** The configuration that `serve` would use at a location. */
export const configAt = ({
  data,
  config,
  listen,
  logFormat,
}: Location & { readonly listen?: string; readonly logFormat?: string }): Promise<Config> =>
  readConfig({ file: config, env: process.env, flags: { dataDir: data, listen, logFormat } })

/** Path of the database in a data directory. */
export const databasePath = (dataDir: string): string => join(dataDir, 'platform.db')

/** Does `work` with the store of a platform. The server may be running. */
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
 * Does `work`, which changes the store of a platform, and writes actor, action and outcome to the audit trail.
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

/** The user who runs this command: the user behind sudo, else the user of the process. */
export function operator(): string {
  const { SUDO_USER } = process.env
  if (SUDO_USER !== undefined && SUDO_USER !== '') return SUDO_USER
  try {
    return userInfo().username
  } catch {
    // The user id has no name.
    return `uid ${process.getuid?.() ?? '?'}`
  }
}
