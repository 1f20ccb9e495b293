/** Where the copying of a container's log goes on. */
export interface LogPlace {
  /** Time of the newest line that was copied, as the node wrote it; '' before the first. */
  readonly latest: string
  /** Lines copied whose time is in the second of `latest` or later: a log can be asked for from a whole second on only. */
  readonly lines: number
}

/** Thrown where a node sends an apology instead of a log, with status 200. */
export class NoLog extends Error {
  override readonly name = 'NoLog'
}

/** What a chunk adds to the log. */
export interface LogPiece {
  readonly bytes: Uint8Array
  /** Where to go on after the first `placeBytes` of them. */
  readonly place: LogPlace
  readonly placeBytes: number
}

const stamp = /^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/
const newline = 10
const blank = 32

/**
 * Takes the times from the lines of a log (`timestamps=true`) and leaves out what was copied before. Bytes of any kind may be in the
 * lines, and chunks may end anywhere.
 */
export class LogLines {
  #latest: string
  #lines: number
  #skip: { readonly upTo: string; lines: number }
  #stamp = ''
  #state: 'stamp' | 'line' | 'skipped line' = 'stamp'

  constructor(place: LogPlace) {
    this.#latest = place.latest
    this.#lines = place.lines
    this.#skip = { upTo: place.latest, lines: place.lines }
  }

  /** @throws {NoLog} */
  take(chunk: Uint8Array): LogPiece {
    const pieces: Uint8Array[] = []
    let length = 0
    let placeBytes = 0
    for (let at = 0; at < chunk.length;) {
      if (this.#state === 'stamp') {
        const end = chunk.indexOf(blank, at)
        this.#stamp += Buffer.from(chunk.subarray(at, end < 0 ? undefined : end)).toString('latin1')
        if (this.#stamp.length > 40) throw new NoLog(this.#stamp)
        if (end < 0) break
        this.#state = this.#isCopied() ? 'skipped line' : 'line'
        at = end + 1
        continue
      }
      const end = chunk.indexOf(newline, at)
      const next = end < 0 ? chunk.length : end + 1
      if (this.#state === 'line') {
        pieces.push(chunk.subarray(at, next))
        length += next - at
      }
      if (end >= 0) {
        if (this.#state === 'line') {
          this.#count()
          placeBytes = length
        }
        this.#state = 'stamp'
        this.#stamp = ''
      }
      at = next
    }
    return { bytes: Buffer.concat(pieces), place: { latest: this.#latest, lines: this.#lines }, placeBytes }
  }

  #isCopied(): boolean {
    if (!stamp.test(this.#stamp)) throw new NoLog(this.#stamp)
    if (this.#skip.lines === 0 || nanoseconds(this.#stamp) > nanoseconds(this.#skip.upTo)) return false
    this.#skip.lines--
    return true
  }

  #count(): void {
    const isLater = this.#latest === '' || nanoseconds(this.#stamp) > nanoseconds(this.#latest)
    if (isLater && (this.#latest === '' || secondOf(this.#stamp) !== secondOf(this.#latest))) this.#lines = 0
    if (isLater) this.#latest = this.#stamp
    // Two streams may write their times a little out of order: one of an earlier second is not sent again.
    if (secondOf(this.#stamp) >= secondOf(this.#latest)) this.#lines++
  }
}

/** The whole second, in milliseconds since the epoch, from which on a log is asked for to go on at a place. Pure. */
export const secondOf = (time: string): number => Math.floor(Date.parse(time) / 1000) * 1000

function nanoseconds(time: string): bigint {
  const fraction = (/\.(\d+)/.exec(time)?.[1] ?? '').padEnd(9, '0').slice(0, 9)
  return BigInt(secondOf(time)) * 1_000_000n + BigInt(fraction)
}
