import { watch, type FSWatcher } from 'node:fs'
import { open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere, isDiskFull, isMissing, readIfThere } from '../../lib/files.ts'
import type { LogRange, Output } from '../executor.ts'
import { endsLine } from './line-end.ts'
import { gapMark, logFile, logLimits, segmentFile, segmentStart } from './log-format.ts'
import {
  finishedStretches,
  firstRun,
  liveStretches,
  slicePieces,
  stretchesFrom,
  totalLength,
  wholeLog,
  type Joined,
  type Piece,
  type Segment,
  type Stretch,
} from './log-view.ts'

/** Where logs are: `attempts` has a folder for each attempt, `logs` the logs of attempts that the executor has forgotten. */
export interface LogFolders {
  readonly attempts: string
  readonly logs: string
}

/** What a reader must know of an attempt that the executor lists. */
export interface RunningLog {
  /** Bytes of output kept at most. */
  readonly logLimitBytes: number
  /** How the log was joined, once the attempt has ended. */
  readonly joined: Joined | undefined
  /** Resolves when the attempt has changed, or after a second at the latest; rejects when aborted. */
  readonly changed: (signal: AbortSignal) => Promise<void>
  /** The reader calls it when the attempt's files have changed. */
  readonly wake: () => void
}

/** A signal that is never aborted. */
const never = new AbortController().signal

/** The files of a running attempt's log at one moment; `joining` while its writer moves the segments into the file `log`. */
type LiveLog = 'joining' | LiveFiles

interface LiveFiles {
  /** Bytes of output kept at most. */
  readonly limitBytes: number
  readonly headSize: number
  readonly segments: readonly Segment[]
  /** Whether the head ends with a whole line; read only where a gap follows. */
  readonly headEndsLine: boolean
}

/** A part of followed output: bytes, or a number of bytes that are missing; with the place in the output after it. */
type Part =
  | { readonly bytes: Uint8Array; readonly next: number }
  | { readonly bytes: undefined; readonly gapBytes: number; readonly next: number }

/** The logs of all attempts: running, ended and forgotten. */
export class AttemptLogs {
  readonly #folders: LogFolders
  readonly #runningLog: (attemptId: string) => RunningLog | undefined

  /** @param runningLog looks up an attempt that is not forgotten */
  constructor(folders: LogFolders, runningLog: (attemptId: string) => RunningLog | undefined) {
    this.#folders = folders
    this.#runningLog = runningLog
  }

  /** Bytes to be read now; undefined when there is no log. */
  async size(attemptId: string): Promise<number | undefined> {
    const pieces = await this.#pieces(attemptId, this.#runningLog(attemptId))
    return pieces === undefined ? undefined : totalLength(pieces)
  }

  /** The bytes of a range, with a line in the place of what is missing. Nothing when there is no log. */
  async *read(attemptId: string, range: LogRange): AsyncIterable<Uint8Array> {
    const pieces = await this.#pieces(attemptId, this.#runningLog(attemptId))
    if (pieces === undefined) return
    for (const piece of slicePieces(pieces, range.start ?? 0, range.end ?? Infinity))
      if (piece.type === 'gap') yield piece.bytes
      else yield* this.#stream(attemptId, piece)
  }

  /** The log from a byte on, with a line in the place of what is missing, until the attempt ends or the signal aborts. */
  async *follow(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const running = this.#runningLog(attemptId)
    if (running === undefined || running.joined !== undefined) {
      yield* this.read(attemptId, { start })
      return
    }
    let afterLine = true
    for await (const part of this.#parts(attemptId, start, running, signal)) {
      if (part.bytes === undefined) {
        const { gapBytes } = part
        yield Buffer.from(gapMark({ gapBytes, limitBytes: running.logLimitBytes, afterLine }))
      } else yield part.bytes
      afterLine = part.bytes === undefined || part.bytes.at(-1) === 10
    }
  }

  /** The first output at or after a byte, up to what is missing after it; undefined when there is no log. */
  async output(attemptId: string, from: number): Promise<Output | undefined> {
    const running = this.#runningLog(attemptId)
    const stretches = await this.#stretches(attemptId, running)
    if (stretches === undefined) return undefined
    const last = stretches.at(-1)
    const size = last === undefined ? 0 : last.start + last.length
    const { start, end } = firstRun(stretches, from) ?? { start: Math.max(from, size), end: Math.max(from, size) }
    const { lostBytes = 0 } = running === undefined ? await readGap(this.#folders, attemptId) : (running.joined ?? {})
    return { start, end, size, lostBytes }
  }

  /** The bytes of the output from `start` to `end`, as far as they are there without a gap. */
  async *readOutput(attemptId: string, start: number, end: number): AsyncIterable<Uint8Array> {
    let next = start
    const stretches = (await this.#stretches(attemptId, this.#runningLog(attemptId))) ?? []
    for (const stretch of stretchesFrom(stretches, start)) {
      if (stretch.start !== next || next >= end) return
      const length = Math.min(stretch.length, end - next)
      for await (const bytes of this.#stream(attemptId, { ...stretch, length })) {
        next += bytes.length
        yield bytes
      }
    }
  }

  /** The bytes of the output from `start` until bytes are missing, the attempt ends or the signal aborts. */
  async *followOutput(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const running = this.#runningLog(attemptId)
    if (running === undefined) {
      yield* this.readOutput(attemptId, start, Infinity)
      return
    }
    for await (const { bytes } of this.#parts(attemptId, start, running, signal)) {
      if (bytes === undefined) return
      yield bytes
    }
  }

  /** Bytes and gaps from a byte of the output on, until the attempt has ended and everything was read. */
  async *#parts(
    attemptId: string,
    start: number,
    running: RunningLog,
    signal: AbortSignal,
  ): AsyncGenerator<Part, void, undefined> {
    const folder = join(this.#folders.attempts, attemptId)
    let position = start
    let watcher: FSWatcher | undefined
    try {
      for (let isOver = false; !isOver && !signal.aborted;) {
        isOver = running.joined !== undefined
        if (!isOver) watcher ??= watchFolder(folder, running.wake)
        // Requested before reading, so that no change during the read is missed.
        const changed = running.changed(signal)
        changed.catch(() => undefined) // awaited below, unless reading fails first
        for await (const part of this.#rest(attemptId, position, running)) {
          position = part.next
          yield part
          if (signal.aborted) return
        }
        if (!isOver) await changed
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      watcher?.close()
    }
  }

  /** Deletes what is left of a log. */
  async delete(attemptId: string): Promise<void> {
    const folder = join(this.#folders.attempts, attemptId)
    await rm(keptLogPath(this.#folders, attemptId), { force: true })
    await rm(keptGapPath(this.#folders, attemptId), { force: true })
    await rm(join(folder, logFile), { force: true })
  }

  /** The output that is there now from a byte on, each part with the place after it. */
  async *#rest(attemptId: string, position: number, running: RunningLog): AsyncGenerator<Part, void, undefined> {
    // A log that is being joined is read on when it is complete: its end wakes the reader.
    const stretches = (await this.#stretches(attemptId, running, false)) ?? []
    let next = position
    for (const stretch of stretchesFrom(stretches, position)) {
      if (stretch.start > next) {
        yield { bytes: undefined, gapBytes: stretch.start - next, next: stretch.start }
        next = stretch.start
      }
      const end = next + stretch.length
      for await (const bytes of this.#stream(attemptId, stretch)) {
        next += bytes.length
        yield { bytes, next }
      }
      if (next < end) return // deleted meanwhile: the next look finds what is left
    }
  }

  /** The output that is there. @param waits whether to wait for a log that is being joined; else it is undefined. */
  async #stretches(
    attemptId: string,
    running: RunningLog | undefined,
    waits = true,
  ): Promise<readonly Stretch[] | undefined> {
    const live = await this.#settledLog(attemptId, running, waits)
    if (live === undefined) return undefined
    if (live !== 'finished') return liveStretches(live.headSize, live.segments)
    const size = await this.#finishedSize(attemptId)
    if (size === undefined) return undefined
    return finishedStretches(size, running?.joined ?? (await readGap(this.#folders, attemptId)))
  }

  async #pieces(attemptId: string, running: RunningLog | undefined): Promise<Piece[] | undefined> {
    const live = await this.#settledLog(attemptId, running, true)
    if (live === undefined) return undefined
    if (live !== 'finished')
      return wholeLog(live.headSize, live.segments, (gapBytes) =>
        gapMark({ gapBytes, limitBytes: live.limitBytes, afterLine: live.headEndsLine }),
      )
    const size = await this.#finishedSize(attemptId)
    if (size === undefined) return undefined
    return size === 0 ? [] : [{ type: 'file', file: logFile, offset: 0, length: size }]
  }

  /**
   * The files of a running log that no writer joins, or `finished` where the log is one file. Undefined where there is no log, or where it is
   * being joined and the caller does not wait.
   */
  async #settledLog(
    attemptId: string,
    running: RunningLog | undefined,
    waits: boolean,
  ): Promise<LiveFiles | 'finished' | undefined> {
    while (running !== undefined && running.joined === undefined) {
      const found = await this.#liveLog(attemptId, running)
      if (found !== 'joining') return found
      if (!waits) return undefined
      // Its end wakes; one that came during the look is seen here.
      if (running.joined === undefined) await running.changed(never)
    }
    return 'finished'
  }

  async #finishedSize(attemptId: string): Promise<number | undefined> {
    for (const path of this.#finishedPaths(attemptId)) {
      const size = (await ifThere(stat(path)))?.size
      if (size !== undefined) return size
    }
    return undefined
  }

  async #liveLog(attemptId: string, running: RunningLog): Promise<LiveLog | undefined> {
    const folder = join(this.#folders.attempts, attemptId)
    const starts = ((await ifThere(readdir(folder))) ?? []).map(segmentStart).filter((start) => start !== undefined)
    const segments: Segment[] = []
    for (const start of starts.sort((a, b) => a - b)) {
      const segmentSize = (await ifThere(stat(join(folder, segmentFile(start)))))?.size
      if (segmentSize !== undefined) segments.push({ start, size: segmentSize })
    }
    // The size comes last: a writer that joins appends to the head before it removes a segment.
    const size = (await ifThere(stat(join(folder, logFile))))?.size
    if (size === undefined) return undefined
    const limitBytes = running.logLimitBytes
    const headSize = Math.min(size, logLimits(limitBytes).headBytes)
    if (size > headSize) return 'joining'
    const hasGap = (segments[0]?.start ?? headSize) > headSize
    const headEndsLine = !hasGap || (await endsLine(join(folder, logFile), headSize))
    return { limitBytes, headSize, segments, headEndsLine }
  }

  /** Forgetting an attempt moves its log from the second path to the first, so the third look is at the first again. */
  #finishedPaths(attemptId: string): string[] {
    const forgotten = keptLogPath(this.#folders, attemptId)
    return [forgotten, join(this.#folders.attempts, attemptId, logFile), forgotten]
  }

  async *#stream(
    attemptId: string,
    piece: { readonly file: string; readonly offset: number; readonly length: number },
  ): AsyncIterable<Uint8Array> {
    const paths =
      piece.file === logFile ? this.#finishedPaths(attemptId) : [join(this.#folders.attempts, attemptId, piece.file)]
    for (const path of paths) {
      const file = await ifThere(open(path))
      if (file === undefined) continue
      await using _ = file
      let offset = piece.offset
      const end = piece.offset + piece.length
      while (offset < end) {
        const buffer = new Uint8Array(Math.min(65_536, end - offset))
        const { bytesRead } = await file.read(buffer, 0, buffer.length, offset)
        if (bytesRead === 0) return
        offset += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
      return
    }
  }
}

/** Path of the log of an attempt that was forgotten. */
export const keptLogPath = (folders: LogFolders, attemptId: string): string => join(folders.logs, `${attemptId}.log`)

/** Path of the note about what is missing in such a log. Only logs with something missing have one. */
const keptGapPath = (folders: LogFolders, attemptId: string): string => join(folders.logs, `${attemptId}.gap`)

/** Puts the log of an ended attempt where it outlives the attempt's folder. May be interrupted and done again. */
export async function keepLog(folders: LogFolders, attemptId: string): Promise<void> {
  await ifThere(rename(join(folders.attempts, attemptId, logFile), keptLogPath(folders, attemptId)))
}

/** Notes where bytes are missing in the log of an ended attempt. To be called before the attempt is forgotten. */
export async function noteGap(folders: LogFolders, attemptId: string, joined: Joined): Promise<void> {
  const { logHead, logDropped = 0, logLine, lostBytes = 0 } = joined
  if (logDropped === 0 && lostBytes === 0) return
  const path = keptGapPath(folders, attemptId)
  try {
    await writeFile(`${path}.new`, JSON.stringify({ logHead, logDropped, logLine, lostBytes }), { mode: 0o600 })
    await rename(`${path}.new`, path)
  } catch (error) {
    // Without room for the note, the line in the log alone tells of the gap.
    if (!isDiskFull(error)) throw error
  }
}

/** What {@link noteGap} noted; nothing of a whole log, or of one that an earlier release kept. */
async function readGap(folders: LogFolders, attemptId: string): Promise<Joined> {
  const text = await readIfThere(keptGapPath(folders, attemptId))
  return text === undefined ? {} : (JSON.parse(text) as Joined)
}

/** Watches a folder. Undefined where it is missing or the kernel has no watch left: then the reader looks every second. */
function watchFolder(folder: string, wake: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, wake)
    watcher.on('error', wake)
    return watcher
  } catch (error) {
    if (
      isMissing(error) ||
      (error as NodeJS.ErrnoException).code === 'ENOSPC' ||
      (error as NodeJS.ErrnoException).code === 'EMFILE'
    )
      return undefined
    throw error
  }
}

/** The whole log when it is short enough to be nothing but a message of the runtime, otherwise ''. */
export async function readShortLog(folder: string): Promise<string> {
  const path = join(folder, 'log')
  const size = (await ifThere(stat(path)))?.size ?? 0
  return size > 0 && size <= 4096 ? readFile(path, 'utf8') : ''
}
