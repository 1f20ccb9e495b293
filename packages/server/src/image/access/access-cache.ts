import { createHmac, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageSource } from './allowed.ts'

/** A manifest, and who read it: anybody, or the holder of credentials. */
export interface Reading {
  readonly source: ImageSource
  readonly digest: string
  /** `user:password`; undefined: anybody. */
  readonly registryAuth: string | undefined
}

/** How long a registry's yes counts without asking again. Milliseconds. */
export const freshMilliseconds = 5 * 60_000
/** How long it counts while the registry cannot be reached. Milliseconds. */
export const graceMilliseconds = 24 * 3_600_000

/**
 * What registries have let whom read, and when: an empty file for each, whose name is a keyed digest of all three and whose
 * time is that of the last yes. So it outlives the server, is one call to the kernel to look up, and tells nobody anything.
 */
export class AccessCache {
  readonly #folder: string
  #key = Buffer.alloc(0)

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Makes what is missing, and forgets what is too old to count for anything. */
  async open(now = Date.now()): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const file = join(this.#folder, 'key')
    await writeFile(file, randomBytes(32), { mode: 0o600, flag: 'wx' }).catch(unless('EEXIST'))
    this.#key = await readFile(file)
    for (const name of await readdir(this.#folder)) {
      if (name !== 'key' && (await this.#age(join(this.#folder, name), now)) > graceMilliseconds)
        await rm(join(this.#folder, name), { force: true })
    }
  }

  /** Milliseconds since the registry last said yes; infinite where it did not. */
  age(reading: Reading, now = Date.now()): Promise<number> {
    return this.#age(this.#file(reading), now)
  }

  /** The registry says yes. */
  async add(reading: Reading, now = Date.now()): Promise<void> {
    const file = this.#file(reading)
    await writeFile(file, '', { mode: 0o600 })
    await utimes(file, now / 1000, now / 1000)
  }

  /** The registry says no. */
  async remove(reading: Reading): Promise<void> {
    await rm(this.#file(reading), { force: true })
  }

  async #age(file: string, now: number): Promise<number> {
    const stats = await stat(file).catch(unless('ENOENT'))
    // A time in the future is that of a clock that was put back: it counts for nothing.
    return stats === undefined || stats.mtimeMs > now + 1000 ? Infinity : now - stats.mtimeMs
  }

  #file({ source: { registry, path }, digest, registryAuth }: Reading): string {
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
