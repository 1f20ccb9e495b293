import { constants } from 'node:fs'
import { access, mkdir, open, readdir, readFile, rm, stat, truncate, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { ifThere, readIfThere } from '../../lib/files.ts'
import { finishedOffset, segmentStart, wholeLog, type Joined, type Segment } from './log-view.ts'

const JoinedLog = Type.Object({ logHead: Type.Integer(), logDropped: Type.Integer(), logLine: Type.Integer() })

/** How far a log was copied. Written beside it after every piece, so that a later server goes on where this one was. */
const Copied = Type.Object({
  /** Bytes of the stream that are on disk for good; what is behind them is copied again. */
  bytes: Type.Integer({ minimum: 0 }),
  /** Where the source goes on after these bytes, in its own words. */
  place: Type.String(),
  /** How the log is being joined: part of the tail is behind the head already, and in no segment any more. */
  joining: Type.Optional(JoinedLog),
  /** The log is complete; how it was joined. */
  joined: Type.Optional(JoinedLog),
})
type Copied = Static<typeof Copied>

/** Longer than any note, so that each covers the one before. */
const noteLength = 512

/**
 * Writes an attempt's log as `log-view.ts` describes it, from a source that is read over a network and may have to be asked
 * again. What supervisors do for containers of this machine, this does for those elsewhere.
 */
export class LogWriter {
  readonly #folder: string
  readonly #headLimit: number
  readonly #tailLimit: number
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
    this.#headLimit = Math.floor(limitBytes / 2)
    this.#tailLimit = limitBytes - this.#headLimit
    this.#head = files.head
    this.#notes = files.notes
    this.#segments = segments.map((segment) => ({ ...segment }))
    this.#copied = copied
    this.#position = copied.bytes
  }

  /**
   * Goes on with the log in an attempt's folder, or begins one. What was written behind the last known place is cut off.
   *
   * @param limitBytes bytes of output kept of an attempt.
   */
  static async open(folder: string, limitBytes: number): Promise<LogWriter> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const path = join(folder, 'log')
    const copied = await readCopied(folder)
    const size = (await ifThere(stat(path)))?.size ?? 0
    const segments: Segment[] = []
    if (copied.joined === undefined) {
      const headSize = Math.min(copied.bytes, Math.floor(limitBytes / 2))
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

  /** Whether there is anything of a log in an attempt's folder. */
  static async isBegun(folder: string): Promise<boolean> {
    return access(join(folder, 'copied')).then(
      () => true,
      () => false,
    )
  }

  /** Where the source goes on, as it was last given to {@link write}; '' at the beginning. */
  get place(): string {
    return this.#copied.place
  }

  /** How the log was joined, once it is complete. */
  get joined(): Joined | undefined {
    return this.#copied.joined
  }

  /**
   * Appends to the stream. Where that fails, all that was noted before is still there for whoever opens the log anew; this one is only
   * to be closed.
   *
   * @param place where the source goes on after these bytes. As long as it stays the same, they are copied again by whoever
   *   opens the log anew.
   */
  async write(bytes: Uint8Array, place: string): Promise<void> {
    await this.#append(bytes)
    if (place === this.#copied.place) return
    await this.#note({ bytes: this.#position, place })
    await this.#dropOldest()
  }

  /** Whether nothing can be added any more: {@link finish} was interrupted. */
  get isJoining(): boolean {
    return this.#copied.joining !== undefined
  }

  /**
   * The source has ended: joins what there is into one file. May be interrupted and done again; where it fails, this one is only to
   * be closed.
   *
   * @param isFull that there is no room for this: the oldest of the tail makes some.
   */
  async finish(isFull = false): Promise<Joined> {
    if (this.#copied.joined !== undefined) return this.#copied.joined
    await this.#closeSegment()
    const makesRoom = isFull || this.isJoining
    if (isFull && !this.isJoining) await this.#dropSegment()
    const { gapBytes, bytes: line } = this.#lineBetween(isFull)
    const joined = this.#copied.joining ?? { logHead: this.#headLimit, logDropped: gapBytes, logLine: line.length }
    if (!this.isJoining) await this.#head.appendFile(line)
    const segments = [...this.#segments]
    for (const segment of segments) {
      // How long the file is tells how far an interrupted joining came.
      const there = (await this.#head.stat()).size - finishedOffset(segment.start, joined)
      await this.#head.appendFile((await readFile(this.#pathOf(segment))).subarray(there))
      // Otherwise they stay to the end, for followers who are not that far.
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

  /** Lets go of the files; the log can be opened again. */
  async close(): Promise<void> {
    await Promise.all([this.#segment?.close(), this.#head.close(), this.#notes.close()])
  }

  /** What stands for the bytes between head and tail. */
  #lineBetween(isFull: boolean): { readonly gapBytes: number; readonly bytes: Uint8Array } {
    const end = { start: this.#position, size: 0 }
    const pieces = wholeLog(Math.min(this.#position, this.#headLimit), [...this.#segments, end], isFull)
    return pieces.find((piece) => piece.type === 'gap') ?? { gapBytes: 0, bytes: new Uint8Array() }
  }

  async #append(bytes: Uint8Array): Promise<void> {
    let rest = bytes
    while (rest.length > 0) {
      const inHead = this.#position < this.#headLimit
      const room = inHead ? this.#headLimit - this.#position : await this.#roomInSegment()
      const piece = rest.subarray(0, room)
      await (inHead ? this.#head : this.#segment)?.appendFile(piece)
      const last = this.#segments.at(-1)
      if (!inHead && last !== undefined) last.size += piece.length
      this.#position += piece.length
      rest = rest.subarray(piece.length)
    }
  }

  /**
   * The oldest segments go when the rest is a whole tail. What is not noted yet is cut off again after a restart, so it does
   * not count, unless it is a tail by itself.
   */
  async #dropOldest(): Promise<void> {
    const sure = Math.max(this.#copied.bytes, this.#position - this.#tailLimit)
    for (let [oldest] = this.#segments; oldest !== undefined; [oldest] = this.#segments) {
      if (sure - (oldest.start + oldest.size) < this.#tailLimit) return
      await this.#dropSegment()
    }
  }

  async #dropSegment(): Promise<void> {
    const oldest = this.#segments.shift()
    if (oldest !== undefined) await rm(this.#pathOf(oldest), { force: true })
  }

  #pathOf({ start }: Segment): string {
    return join(this.#folder, `log.${start}`)
  }

  async #closeSegment(): Promise<void> {
    await this.#segment?.close()
    this.#segment = undefined
  }

  /** A full segment makes room for the next. */
  async #roomInSegment(): Promise<number> {
    const limit = Math.max(1, Math.floor(this.#tailLimit / 8))
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

  /** One small write over the last one: whole or not done at all, should this process be killed. */
  async #note(copied: Copied): Promise<void> {
    this.#copied = copied
    await this.#notes.write(JSON.stringify(copied).padEnd(noteLength), 0)
  }
}

/** What was noted; from the beginning when nothing was, or not whole, as after a power failure. */
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
