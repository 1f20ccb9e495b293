import { join } from 'node:path'
import type { Config } from '../config.ts'
import { readConfig } from '../configuration/read.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import type { Store } from '../store/store.ts'

/** Where an administrative command finds the platform. */
export interface Location {
  readonly data?: string
  readonly config?: string
}

/** The configuration that `serve` would use there. */
export const configAt = ({ data, config, listen }: Location & { readonly listen?: string }): Promise<Config> =>
  readConfig({ file: config, env: process.env, flags: { dataDir: data, listen } })

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
