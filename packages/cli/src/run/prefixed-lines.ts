const lineFeed = 0x0a
const carriageReturn = 0x0d

/** Bytes of a line after which it is printed although it has not ended. */
const longestLine = 65_536

/**
 * Splits output into lines with a prefix before each. Programs redraw a progress bar by a carriage return: of the states that
 * come between two calls of {@link PrefixedLines.state} the last is kept, for a terminal would show no other. Bytes that are
 * not UTF-8 stay as they are. Holds at most two lines of 64 KiB.
 */
export class PrefixedLines {
  readonly #prefix: Buffer
  /** The line that has not ended, in pieces. */
  #open: Uint8Array[] = []
  #openBytes = 0
  /** The last whole state of a progress bar that was not printed. */
  #drawn: Uint8Array[] | undefined
  /** Whether the open line began with a carriage return, so that it is the state of a progress bar. */
  #isRedrawn = false

  constructor(prefix: string) {
    this.#prefix = Buffer.from(prefix)
  }

  /** Whether {@link PrefixedLines.state} has something to print. */
  get hasState(): boolean {
    return this.#drawn !== undefined || (this.#isRedrawn && this.#openBytes > 0)
  }

  /** The lines that these bytes complete. */
  take(bytes: Uint8Array): Uint8Array {
    const lines: Uint8Array[] = []
    let [feed, back] = [bytes.indexOf(lineFeed), bytes.indexOf(carriageReturn)]
    for (let at = 0; at < bytes.length;) {
      const full = at + longestLine - this.#openBytes
      const ends = [feed, back].filter((end) => end >= 0)
      const end = Math.min(...ends, bytes.length)
      if (full < end) {
        this.#extend(bytes.subarray(at, full))
        lines.push(this.#line(this.#takeOpen()))
        at = full
        continue
      }
      this.#extend(bytes.subarray(at, end))
      at = end + 1
      if (end === feed) {
        // Of "state\r\n" the state is the line; where it was printed before, the line is over.
        const wasPrinted = this.#isRedrawn && !this.hasState
        const line = this.#openBytes > 0 ? this.#takeOpen() : (this.#drawn ?? [])
        if (!wasPrinted) lines.push(this.#line(line))
        this.#drawn = undefined
        this.#isRedrawn = false
        feed = bytes.indexOf(lineFeed, at)
      } else if (end === back) {
        if (this.#openBytes > 0) this.#drawn = this.#takeOpen()
        this.#isRedrawn = true
        back = bytes.indexOf(carriageReturn, at)
      }
    }
    return Buffer.concat(lines)
  }

  /** The state of a progress bar that was not printed yet, as a line. */
  state(): Uint8Array {
    if (!this.hasState) return new Uint8Array()
    const state = this.#openBytes > 0 ? this.#takeOpen() : (this.#drawn ?? [])
    this.#drawn = undefined
    return this.#line(state)
  }

  /** What is left at the end of the output. */
  end(): Uint8Array {
    return this.#openBytes > 0 ? this.#line(this.#takeOpen()) : this.state()
  }

  #extend(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#open.push(bytes)
    this.#openBytes += bytes.length
  }

  #takeOpen(): Uint8Array[] {
    const open = this.#open
    this.#open = []
    this.#openBytes = 0
    return open
  }

  #line(parts: readonly Uint8Array[]): Uint8Array {
    return Buffer.concat([this.#prefix, ...parts, Uint8Array.of(lineFeed)])
  }
}
