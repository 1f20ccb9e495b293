import { statfs } from 'node:fs/promises'

const gib = 2 ** 30

/** Bytes of a disk that images leave free for the database and for running jobs: a twentieth, at most 4 GiB. Pure. */
export const keptBytes = (diskBytes: number): number => Math.min(4 * gib, Math.floor(diskBytes / 20))

/** Thrown where the disk has no room. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom'
  readonly wantedBytes: number
  readonly freeBytes: number
  readonly keptBytes: number

  constructor(wantedBytes: number, freeBytes: number, kept: number) {
    super(
      `no space left on device: ${wantedBytes} bytes are needed, ${freeBytes} are free, ${kept} of them are kept free`,
    )
    this.wantedBytes = wantedBytes
    this.freeBytes = freeBytes
    this.keptBytes = kept
  }
}

/** Room on the disk of a folder for work that is about to write. */
export class DiskRoom {
  readonly #folder: string
  /** Bytes that work in progress has taken, also those that are written already. */
  #taken = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Bytes of the whole disk; Infinity where the file system does not say. */
  async diskBytes(): Promise<number> {
    const { blocks, bsize } = await statfs(this.#folder)
    return blocks === 0 ? Infinity : blocks * bsize
  }

  /** Bytes that are missing for `wanted` more; 0 where they fit. */
  async missing(wanted: number): Promise<number> {
    const { free, kept } = await this.#free()
    return Math.max(0, wanted + kept - free)
  }

  /** Takes room until the result is disposed of. @throws {NoRoom} */
  async take(wanted: number): Promise<Disposable> {
    // Before the disk is asked: of two that take at once the second sees the first.
    this.#taken += wanted
    const release = (): void => {
      this.#taken -= wanted
    }
    try {
      const { free, kept } = await this.#free()
      if (free < kept) throw new NoRoom(wanted, Math.max(0, free + wanted), kept)
    } catch (error) {
      release()
      throw error
    }
    return { [Symbol.dispose]: release }
  }

  async #free(): Promise<{ readonly free: number; readonly kept: number }> {
    const { blocks, bavail, bsize } = await statfs(this.#folder)
    if (blocks === 0) return { free: Infinity, kept: 0 }
    return { free: bavail * bsize - this.#taken, kept: keptBytes(blocks * bsize) }
  }
}
