import { constants } from 'node:fs'
import { access, mkdir, open, readdir, readFile, rm, stat, truncate, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { ifThere, readIfThere } from '../../lib/files.ts'
import { endsLine } from './line-end.ts'
import { gapMark, logFile, logLimits, segmentFile, segmentStart, type LogLimits } from './log-format.ts'
import { finishedOffset, wholeLog, type Joined, type Segment } from './log-view.ts'

const JoinedLog = Type.Object({ logHead: Type.Integer(), logDropped: Type.Integer(), logLine: Type.Integer() })

/** How far a log is copied. Written beside the log after every piece, so that a later server continues there. */
const Copied = Type.Object({
  /** Bytes of the stream that are on the disk for good; later bytes are copied again. */
  bytes: Type.Integer({ minimum: 0 }),
  /** Where the source continues after these bytes, in the source's own format. */
  place: Type.String(),
  /** How the log is being joined: the file `log` has part of the tail already, which no segment has any more. */
  joining: Type.Optional(JoinedLog),
  /** How the log was joined; present when it is complete. */
  joined: Type.Optional(JoinedLog),
})
type Copied = Static<typeof Copied>

/** Bytes of a padded note. Longer than any note, so that each overwrites the one before. */
const noteLength = 512

/**
 * Writes an attempt's log as `log-format.ts` describes it, from a source that is read over a network and may have to be read
 * again. Supervisors do the same for containers of this machine.
 */
export class LogWriter {
  readonly #folder: string
  readonly #limitBytes: number
  readonly #limits: LogLimits
  readonly #head: FileHandle
  readonly #notes: FileHandle
  #segments: { readonly start: number; size: number }[]
  #segment: FileHandle | undefined
  #position: number
  #copied: Copied

  private constructor(
    folder: string,
    limitBytes: number,
    files: { readonly head: FileHandle; readonly notes: FileHandle },
    copied: Copied,
    segments: readonly Segment[],
  ) {
    this.#folder = folder
    this.#limitBytes = limitBytes
    this.#limits = logLimits(limitBytes)
    this.#head = files.head
    this.#notes = files.notes
    this.#segments = segments.map((segment) => ({ ...segment }))
    this.#copied = copied
    this.#position = copied.bytes
  }

  /**
   * Continues the log in an attempt's folder, or begins one. Bytes after the last noted place are cut off.
   *
   * @param limitBytes bytes of output that stay.
   */
  static async open(folder: string, limitBytes: number): Promise<LogWriter> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const path = join(folder, logFile)
    const copied = await readCopied(folder)
    const size = (await ifThere(stat(path)))?.size ?? 0
    const segments: Segment[] = []
    if (copied.joined === undefined) {
      const headSize = Math.min(copied.bytes, logLimits(limitBytes).headBytes)
      if (size > headSize && copied.joining === undefined) await truncate(path, headSize)
      for (const name of await readdir(folder)) {
        const start = segmentStart(name)
        if (start === undefined) continue
        const file = join(folder, name)
        const kept = Math.min((await stat(file)).size, copied.bytes - start)
        if (kept <= 0) await rm(file, { force: true })
        else {
          await truncate(file, kept)
          segments.push({ start, size: kept })
        }
      }
      segments.sort((a, b) => a.start - b.start)
    }
    const head = await open(path, 'a', 0o600)
    try {
      const notes = await open(join(folder, 'copied'), constants.O_RDWR | constants.O_CREAT, 0o600)
      return new LogWriter(folder, limitBytes, { head, notes }, copied, segments)
    } catch (error) {
      await head.close()
      throw error
    }
  }

  /** Whether an attempt's folder has the beginning of a log. */
  static async isBegun(folder: string): Promise<boolean> {
    return access(join(folder, 'copied')).then(
      () => true,
      () => false,
    )
  }

  /** Where the source continues, as last given to {@link write}; '' at the beginning. */
  get place(): string {
    return this.#copied.place
  }

  /** How the log was joined, once it is complete. */
  get joined(): Joined | undefined {
    return this.#copied.joined
  }

  /**
   * Appends to the stream. After a failure the caller closes this writer; the noted part of the log remains for the next.
   *
   * @param place where the source continues after these bytes. As long as the place stays the same, the next writer copies
   *   the bytes again.
   */
  async write(bytes: Uint8Array, place: string): Promise<void> {
    await this.#append(bytes)
    if (place === this.#copied.place) return
    await this.#note({ bytes: this.#position, place })
    await this.#dropOldest()
  }

  /** Whether {@link finish} was interrupted, so that nothing can be appended any more. */
  get isJoining(): boolean {
    return this.#copied.joining !== undefined
  }

  /**
   * Joins head and tail into one file when the source has ended. May be interrupted and repeated; after a failure the caller
   * closes this writer.
   *
   * @param isFull whether the disk has no room for it: then the oldest segments of the tail are dropped.
   */
  async finish(isFull = false): Promise<Joined> {
    if (this.#copied.joined !== undefined) return this.#copied.joined
    await this.#closeSegment()
    const makesRoom = isFull || this.isJoining
    if (isFull && !this.isJoining) await this.#dropSegment()
    const { gapBytes, bytes: line } = await this.#gap(isFull)
    const joined = this.#copied.joining ?? {
      logHead: this.#limits.headBytes,
      logDropped: gapBytes,
      logLine: line.length,
    }
    if (!this.isJoining) await this.#head.appendFile(line)
    const segments = [...this.#segments]
    for (const segment of segments) {
      // The length of the file shows how far an interrupted joining came.
      const there = (await this.#head.stat()).size - finishedOffset(segment.start, joined)
      await this.#head.appendFile((await readFile(this.#pathOf(segment))).subarray(there))
      // Otherwise the segments stay until the end, for readers that are not that far.
      if (!makesRoom) continue
      if (!this.isJoining) await this.#note({ bytes: this.#position, place: this.#copied.place, joining: joined })
      await this.#dropSegment()
    }
    await this.#note({ bytes: this.#position, place: this.#copied.place, joined })
    while (this.#segments.length > 0) await this.#dropSegment()
    return joined
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Closes the files; the log can be opened again. */
  async close(): Promise<void> {
    await Promise.all([this.#segment?.close(), this.#head.close(), this.#notes.close()])
  }

  /** The line in the place of the bytes between head and tail. */
  async #gap(isFull: boolean): Promise<{ readonly gapBytes: number; readonly bytes: Uint8Array }> {
    const headSize = Math.min(this.#position, this.#limits.headBytes)
    const afterLine = await endsLine(join(this.#folder, logFile), headSize)
    const end = { start: this.#position, size: 0 }
    const pieces = wholeLog(headSize, [...this.#segments, end], (gapBytes) =>
      gapMark({ gapBytes, limitBytes: this.#limitBytes, afterLine, isFull }),
    )
    return pieces.find((piece) => piece.type === 'gap') ?? { gapBytes: 0, bytes: new Uint8Array() }
  }

  async #append(bytes: Uint8Array): Promise<void> {
    let rest = bytes
    while (rest.length > 0) {
      const inHead = this.#position < this.#limits.headBytes
      const room = inHead ? this.#limits.headBytes - this.#position : await this.#roomInSegment()
      const piece = rest.subarray(0, room)
      await (inHead ? this.#head : this.#segment)?.appendFile(piece)
      const last = this.#segments.at(-1)
      if (!inHead && last !== undefined) last.size += piece.length
      this.#position += piece.length
      rest = rest.subarray(piece.length)
    }
  }

  /**
   * Drops the oldest segments while the rest is a whole tail. Bytes that are not noted yet do not count, since a restart
   * cuts them off, unless they are a whole tail by themselves.
   */
  async #dropOldest(): Promise<void> {
    const sure = Math.max(this.#copied.bytes, this.#position - this.#limits.tailBytes)
    for (let [oldest] = this.#segments; oldest !== undefined; [oldest] = this.#segments) {
      if (sure - (oldest.start + oldest.size) < this.#limits.tailBytes) return
      await this.#dropSegment()
    }
  }

  async #dropSegment(): Promise<void> {
    const oldest = this.#segments.shift()
    if (oldest !== undefined) await rm(this.#pathOf(oldest), { force: true })
  }

  #pathOf({ start }: Segment): string {
    return join(this.#folder, segmentFile(start))
  }

  async #closeSegment(): Promise<void> {
    await this.#segment?.close()
    this.#segment = undefined
  }

  /** Bytes that the last segment still takes. A full segment makes room for the next. */
  async #roomInSegment(): Promise<number> {
    const { segmentBytes: limit } = this.#limits
    let last = this.#segments.at(-1)
    if (last === undefined || last.size >= limit) {
      await this.#closeSegment()
      await this.#dropOldest()
      last = { start: this.#position, size: 0 }
      this.#segments.push(last)
    }
    this.#segment ??= await open(this.#pathOf(last), 'a', 0o600)
    return limit - last.size
  }

  /** One small write over the note before. A kill of this process leaves the old note or the new one. */
  async #note(copied: Copied): Promise<void> {
    this.#copied = copied
    await this.#notes.write(JSON.stringify(copied).padEnd(noteLength), 0)
  }
}

/** The last note. The beginning where there is none, or only part of one, as after a power failure. */
async function readCopied(folder: string): Promise<Copied> {
  const nothing = { bytes: 0, place: '' }
  const text = await readIfThere(join(folder, 'copied'))
  if (text === undefined) return nothing
  try {
    const value: unknown = JSON.parse(text)
    return Value.Check(Copied, value) ? value : nothing
  } catch (error) {
    if (error instanceof SyntaxError) return nothing
    throw error
  }
}
