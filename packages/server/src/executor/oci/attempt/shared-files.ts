import { createHash, randomUUID } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Small files that many containers mount, such as /etc/passwd: one for each content. Making a file costs the server more than anything else it
 * does for an attempt, and the attempts of an array want the same four.
 */
export class SharedFiles {
  readonly #folder: string
  readonly #made = new Map<string, Promise<string>>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Path of a file with this content, readable for everybody. */
  path(content: string): Promise<string> {
    const name = createHash('sha256').update(content).digest('hex')
    const known = this.#made.get(name)
    if (known !== undefined) return known
    const made = this.#make(name, content)
    this.#made.set(name, made)
    made.catch(() => this.#made.delete(name)) // the caller reports it; the next one tries again
    return made
  }

  async #make(name: string, content: string): Promise<string> {
    const path = join(this.#folder, name)
    const temporary = `${path}.${randomUUID()}`
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await writeFile(temporary, content, { mode: 0o644 })
    await rename(temporary, path)
    return path
  }
}
