import { createHmac, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageSource } from './allowed.ts'

/** A manifest and the credentials that read it. */
export interface ManifestAccess {
  readonly source: ImageSource
  readonly digest: string
  /** `user:password`; undefined for anonymous access. */
  readonly registryAuth: string | undefined
}

/** How long a registry's yes counts without a new request. Milliseconds. */
export const freshMilliseconds = 5 * 60_000
/** How long it counts while the registry cannot be reached. Milliseconds. */
export const graceMilliseconds = 24 * 3_600_000
/** How often at most the cache deletes entries that are too old to count. Milliseconds. */
const pruneEveryMilliseconds = 3_600_000

/**
 * Which credentials a registry has accepted for which manifest, and when. Each yes is an empty file, whose name is a keyed hash of the access
 * and whose time is that of the last yes. So the cache survives a restart, a lookup is one system call, and the
 * folder reveals no user and no image. It holds the entries of 25 hours at most.
 */
export class AccessCache {
  readonly #folder: string
  #key = Buffer.alloc(0)
  #prunedAt = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Creates the folder and its key, and deletes old entries. */
  async open(now = Date.now()): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const file = join(this.#folder, 'key')
    await writeFile(file, randomBytes(32), { mode: 0o600, flag: 'wx' }).catch(unless('EEXIST'))
    this.#key = await readFile(file)
    await this.#prune(now)
  }

  /** Milliseconds since the registry last said yes; infinite where it did not. */
  age(access: ManifestAccess, now = Date.now()): Promise<number> {
    return this.#age(this.#file(access), now)
  }

  /** Records that the registry said yes. */
  async add(access: ManifestAccess, now = Date.now()): Promise<void> {
    const file = this.#file(access)
    await writeFile(file, '', { mode: 0o600 })
    await utimes(file, now / 1000, now / 1000)
    if (now - this.#prunedAt > pruneEveryMilliseconds) await this.#prune(now)
  }

  /** Records that the registry said no. */
  async remove(access: ManifestAccess): Promise<void> {
    await rm(this.#file(access), { force: true })
  }

  async #prune(now: number): Promise<void> {
    this.#prunedAt = now
    for (const name of await readdir(this.#folder)) {
      if (name !== 'key' && (await this.#age(join(this.#folder, name), now)) > graceMilliseconds)
        await rm(join(this.#folder, name), { force: true })
    }
  }

  async #age(file: string, now: number): Promise<number> {
    const stats = await stat(file).catch(unless('ENOENT'))
    // A time in the future comes from a clock that was set back: it counts for nothing.
    return stats === undefined || stats.mtimeMs > now + 1000 ? Infinity : now - stats.mtimeMs
  }

  #file({ source: { registry, path }, digest, registryAuth }: ManifestAccess): string {
    const what = JSON.stringify([registry, path, digest, registryAuth ?? null])
    return join(this.#folder, createHmac('sha256', this.#key).update(what).digest('hex'))
  }
}

function unless(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error
    return undefined
  }
}
