import { mkdir, readdir, readlink, symlink, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere } from '../../../lib/files.ts'

/** Attempt ids, which become file names. */
const idPattern = /^[A-Za-z0-9-]{1,128}$/

/**
 * Which attempt has which slot, for the next server: one symbolic link per lease, from the attempt to the slot's number.
 * It is the smallest thing the file system makes at once and whole, so that there is never half a lease.
 */
export class Leases {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The leases that there are. */
  async open(): Promise<ReadonlyMap<string, number>> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const leases = new Map<string, number>()
    for (const attemptId of await readdir(this.#folder)) {
      leases.set(attemptId, Number(await readlink(join(this.#folder, attemptId))))
    }
    return leases
  }

  async write(attemptId: string, slot: number): Promise<void> {
    if (!idPattern.test(attemptId))
      throw new RangeError(`'${attemptId}' is no id of an attempt: letters, digits, hyphens`)
    await symlink(String(slot), join(this.#folder, attemptId))
  }

  async remove(attemptId: string): Promise<void> {
    await ifThere(unlink(join(this.#folder, attemptId)))
  }
}
