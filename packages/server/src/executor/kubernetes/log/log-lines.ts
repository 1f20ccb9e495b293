/** Where the copying of a container's log goes on. */
export interface LogPlace {
  /** Time of the newest line that was copied to its end, as the node wrote it; '' before the first. */
  readonly latest: string
  /** Lines copied whose time is in the second of `latest` or later: a log can be asked for from a whole second on only. */
  readonly lines: number
  /** A line that was begun and not yet copied to its end: its time, and how many bytes of it were copied. */
  readonly open?: { readonly time: string; readonly bytes: number }
}

/** Thrown where a node sends an apology instead of a log, with status 200. */
export class NoLog extends Error {
  override readonly name = 'NoLog'
}

/** What a chunk adds to the log. */
export interface LogPiece {
  readonly bytes: Uint8Array
  /** Where to go on after these bytes. */
  readonly place: LogPlace
}

const newline = 10
const blank = 32

const gapLine = Buffer.from(
  '[… part of the log may be missing here: its node had put it away before it was fetched …]\n',
)
const endOfLine = Uint8Array.of(newline)

/**
 * Takes the times from the lines of a log (`timestamps=true`) and leaves out what was copied before. Bytes of any kind may be in the
 * lines, and chunks may end anywhere.
 *
 * A node hands out only the newest file of a log, and begins another when that one is large. Asked for a log from the second of the
 * last line on, it answers with that line first of all, or has put it away. Then nobody can know whether it was the last of its
 * file or others followed it there that were not copied; a line in the log says so.
 */
export class LogLines {
  #latest: string
  #latestTime: Time | undefined
  #lines: number
  #open: { readonly time: string; bytes: number } | undefined
  /** Lines that were copied before and will come again, up to a time. */
  readonly #copied: { readonly upTo: Time | undefined; lines: number }
  /** What was copied last has yet to come: the line that is open, or any where none is. */
  #awaitsLast: boolean
  #gaps = 0
  #stamp = ''
  #time: Time = { second: 0, nanoseconds: 0 }
  #state: 'stamp' | 'line' | 'copied line' = 'stamp'
  /** Bytes at the beginning of the line that were copied before. */
  #copiedBytes = 0

  constructor(place: LogPlace) {
    this.#latest = place.latest
    this.#latestTime = timeOf(place.latest)
    this.#lines = place.lines
    this.#open = place.open === undefined ? undefined : { ...place.open }
    this.#copied = { upTo: this.#latestTime, lines: place.lines }
    this.#awaitsLast = place.lines > 0 || place.open !== undefined
  }

  /** How often the log now says that something before may be missing. */
  get gaps(): number {
    return this.#gaps
  }

  /** Whether nothing has come yet of what was copied last, nor anything after it. */
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

  /** The container's log is over: what was copied last should have come. */
  end(): LogPiece {
    return this.#piece(this.#awaitsLast ? this.#gap() : [])
  }

  #piece(pieces: readonly Uint8Array[]): LogPiece {
    const open = this.#open === undefined ? {} : { open: { ...this.#open } }
    return { bytes: Buffer.concat(pieces), place: { latest: this.#latest, lines: this.#lines, ...open } }
  }

  /** What is to be written before the line whose time is read. */
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
    // Two streams may write their times a little out of order: one of an earlier second is not sent again.
    if (latest === undefined || this.#time.second >= latest.second) this.#lines++
  }

  #gap(): readonly Uint8Array[] {
    const before = (this.#open?.bytes ?? 0) > 0 ? [endOfLine] : []
    this.#open = undefined
    // None of them will come again.
    this.#lines = 0
    this.#awaitsLast = false
    this.#gaps++
    return [...before, gapLine]
  }
}

/** The whole second, in milliseconds since the epoch, from which on a log is asked for to go on at a place. Pure. */
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
