import { createHash, randomUUID } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BoundedMap } from '../../../lib/bounded-map.ts'

/** Contents whose files are known: the users of a large site, with a few images each. */
const knownLimit = 10_000

/**
 * Small files that many containers mount, such as /etc/passwd: one for each content. Most attempts of a user share them, and each file costs
 * the server several system calls. What differs with the attempt, such as /etc/hosts, is none of these.
 */
export class SharedFiles {
  readonly #folder: string
  readonly #made = new BoundedMap<string, Promise<string>>(knownLimit)

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Path of a file with this content. @param mode - Its permissions: always the same for the same content. */
  path(content: string | Uint8Array, mode = 0o644): Promise<string> {
    const name = createHash('sha256').update(content).digest('hex')
    const known = this.#made.get(name)
    if (known !== undefined) return known
    const made = this.#make(name, content, mode)
    this.#made.set(name, made)
    made.catch(() => {
      this.#made.delete(name) // the caller reports it; the next one tries again
    })
    return made
  }

  /** Removes every file. Containers that have mounted one keep it. */
  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #make(name: string, content: string | Uint8Array, mode: number): Promise<string> {
    const path = join(this.#folder, name)
    const temporary = `${path}.${randomUUID()}`
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await writeFile(temporary, content, { mode })
    await rename(temporary, path)
    return path
  }
}
