import { readdir, readlink, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere } from '../../../lib/files.ts'

/**
 * Which attempt holds which slot, as the release before wrote it: one symbolic link per lease, from the attempt to the slot's number. Since
 * then the journal of an attempt says so itself.
 */
export class PreviousLeases {
  readonly #folder: string
  readonly #attemptIds = new Set<string>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The leases that are there. */
  async read(): Promise<ReadonlyMap<string, number>> {
    const leases = new Map<string, number>()
    for (const attemptId of (await ifThere(readdir(this.#folder))) ?? []) {
      leases.set(attemptId, Number(await readlink(join(this.#folder, attemptId))))
      this.#attemptIds.add(attemptId)
    }
    await this.#removeFolder()
    return leases
  }

  /** Removes the lease of an attempt, and the folder with the last one. */
  async remove(attemptId: string): Promise<void> {
    if (!this.#attemptIds.delete(attemptId)) return
    await ifThere(unlink(join(this.#folder, attemptId)))
    await this.#removeFolder()
  }

  async #removeFolder(): Promise<void> {
    if (this.#attemptIds.size === 0) await ifThere(rmdir(this.#folder))
  }
}
