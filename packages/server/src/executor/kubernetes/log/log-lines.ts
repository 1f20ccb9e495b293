/** Where the copying of a container's log resumes. */
export interface LogPlace {
  /** Time of the newest line that was copied whole, as the node wrote it; '' before the first. */
  readonly latest: string
  /** Lines copied whose time is in the second of `latest` or later: the API's `sinceTime` has a resolution of one second. */
  readonly lines: number
  /** The line that is copied in part: its time, and how many bytes of it were copied. */
  readonly open?: { readonly time: string; readonly bytes: number }
}

/** Thrown where a node returns an error text instead of a log, with status 200. */
export class NoLog extends Error {
  override readonly name = 'NoLog'
}

/** The part of a chunk that is new. */
export interface LogPiece {
  readonly bytes: Uint8Array
  /** Where to resume after these bytes. */
  readonly place: LogPlace
}

const newline = 10
const blank = 32

const gapLine = Buffer.from('[… part of the log may be missing here: its node deleted it before it was copied …]\n')
const endOfLine = Uint8Array.of(newline)

/**
 * Strips the times from the lines of a log (`timestamps=true`) and drops what was copied before. Lines may have bytes of any kind,
 * and chunks may end anywhere.
 *
 * A node returns only the newest file of a log, and rotates files by size. A request from the second of the last line on returns
 * that line first, unless its file was rotated away. Lines after it may be lost then; a line in the log says so.
 */
export class LogLines {
  #latest: string
  #latestTime: Time | undefined
  #lines: number
  #open: { readonly time: string; bytes: number } | undefined
  /** Lines up to a time that were copied before and will be sent again. */
  readonly #copied: { readonly upTo: Time | undefined; lines: number }
  /** Whether the last line that was copied has yet to be sent again: the open line, or any where none is open. */
  #awaitsLast: boolean
  #gaps = 0
  #stamp = ''
  #time: Time = { second: 0, nanoseconds: 0 }
  #state: 'stamp' | 'line' | 'copied line' = 'stamp'
  /** Bytes of the line that were copied before and will be sent again. */
  #copiedBytes = 0

  constructor(place: LogPlace) {
    this.#latest = place.latest
    this.#latestTime = timeOf(place.latest)
    this.#lines = place.lines
    this.#open = place.open === undefined ? undefined : { ...place.open }
    this.#copied = { upTo: this.#latestTime, lines: place.lines }
    this.#awaitsLast = place.lines > 0 || place.open !== undefined
  }

  /** Lines in the log that say that part of it may be missing. */
  get gaps(): number {
    return this.#gaps
  }

  /** Whether neither the last copied line nor a later one was sent yet. */
  get awaitsLast(): boolean {
    return this.#awaitsLast
  }

  /** @throws {NoLog} */
  take(chunk: Uint8Array): LogPiece {
    const pieces: Uint8Array[] = []
    for (let at = 0; at < chunk.length;) {
      if (this.#state === 'stamp') {
        const end = chunk.indexOf(blank, at)
        this.#stamp += Buffer.from(chunk.subarray(at, end < 0 ? undefined : end)).toString('latin1')
        if (this.#stamp.length > 40) throw new NoLog(this.#stamp)
        if (end < 0) break
        pieces.push(...this.#beginLine())
        at = end + 1
        continue
      }
      const end = chunk.indexOf(newline, at)
      const next = end < 0 ? chunk.length : end + 1
      if (this.#state === 'line') pieces.push(this.#takeOfLine(chunk.subarray(at, next)))
      if (end >= 0) this.#endLine()
      at = next
    }
    return this.#piece(pieces)
  }

  /** To be called at the end of the container's log: a gap is noted if the last copied line was not sent again. */
  end(): LogPiece {
    return this.#piece(this.#awaitsLast ? this.#gap() : [])
  }

  #piece(pieces: readonly Uint8Array[]): LogPiece {
    const open = this.#open === undefined ? {} : { open: { ...this.#open } }
    return { bytes: Buffer.concat(pieces), place: { latest: this.#latest, lines: this.#lines, ...open } }
  }

  /** The bytes to write before the line whose time was read. */
  #beginLine(): readonly Uint8Array[] {
    const time = timeOf(this.#stamp)
    if (time === undefined) throw new NoLog(this.#stamp)
    this.#time = time
    const { upTo } = this.#copied
    if (this.#copied.lines > 0 && upTo !== undefined && !isLater(time, upTo)) {
      this.#copied.lines--
      if (this.#open === undefined) this.#awaitsLast = false
      this.#state = 'copied line'
      return []
    }
    this.#state = 'line'
    if (this.#awaitsLast && this.#open?.time === this.#stamp) {
      this.#copiedBytes = this.#open.bytes
      this.#awaitsLast = false
      return []
    }
    const before = this.#awaitsLast ? this.#gap() : []
    this.#copiedBytes = 0
    this.#open = { time: this.#stamp, bytes: 0 }
    return before
  }

  #takeOfLine(bytes: Uint8Array): Uint8Array {
    const fresh = bytes.subarray(this.#copiedBytes)
    this.#copiedBytes = Math.max(0, this.#copiedBytes - bytes.length)
    if (this.#open !== undefined) this.#open.bytes += fresh.length
    return fresh
  }

  #endLine(): void {
    if (this.#state === 'line') {
      this.#open = undefined
      this.#count()
    }
    this.#state = 'stamp'
    this.#stamp = ''
  }

  #count(): void {
    const latest = this.#latestTime
    if (latest === undefined || isLater(this.#time, latest)) {
      if (this.#time.second !== latest?.second) this.#lines = 0
      this.#latest = this.#stamp
      this.#latestTime = this.#time
    }
    // stdout and stderr may be a little out of order. A line of an earlier second is not sent again.
    if (latest === undefined || this.#time.second >= latest.second) this.#lines++
  }

  #gap(): readonly Uint8Array[] {
    const before = (this.#open?.bytes ?? 0) > 0 ? [endOfLine] : []
    this.#open = undefined
    // The lines that were copied are not sent again.
    this.#lines = 0
    this.#awaitsLast = false
    this.#gaps++
    return [...before, gapLine]
  }
}

/** The whole second of a time, in milliseconds since the epoch: the `sinceTime` of a request. Pure. */
export const secondOf = (time: string): number => timeOf(time)?.second ?? Number.NaN

interface Time {
  /** Milliseconds since the epoch of the whole second. */
  readonly second: number
  readonly nanoseconds: number
}

const format = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/

function timeOf(text: string): Time | undefined {
  const [, second, fraction = '', zone] = format.exec(text) ?? []
  if (second === undefined || zone === undefined) return undefined
  return { second: Date.parse(second + zone), nanoseconds: Number(fraction.slice(0, 9).padEnd(9, '0')) }
}

const isLater = (one: Time, other: Time): boolean =>
  one.second > other.second || (one.second === other.second && one.nanoseconds > other.nanoseconds)
