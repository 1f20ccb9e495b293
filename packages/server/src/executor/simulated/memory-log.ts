/** Most bytes of a piece, as when reading a file. */
const pieceBytes = 65_536

/** The whole output of an attempt, in memory. */
export class MemoryLog {
  readonly #chunks: Uint8Array[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#chunks.push(bytes)
    this.#size += bytes.length
  }

  /** The bytes `start` (included) to `end` (not included). */
  *read(start: number, end: number): Iterable<Uint8Array> {
    let at = 0
    for (const chunk of this.#chunks) {
      const stop = Math.min(end - at, chunk.length)
      for (let from = Math.max(start - at, 0); from < stop; from += pieceBytes)
        yield chunk.subarray(from, Math.min(from + pieceBytes, stop))
      at += chunk.length
    }
  }
}
