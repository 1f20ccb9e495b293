import { watch, type FSWatcher } from 'node:fs'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere, isMissing } from '../../lib/files.ts'
import type { LogRange } from '../executor.ts'
import { endsLine } from './line-end.ts'
import { gapMark, logFile, logLimits, segmentFile, segmentStart } from './log-format.ts'
import {
  finishedOffset,
  livePieces,
  slicePieces,
  totalLength,
  wholeLog,
  type Joined,
  type MarkOf,
  type Piece,
  type Segment,
} from './log-view.ts'

/** Where logs are: `attempts` has a folder for each attempt, `logs` the logs of attempts that the executor has forgotten. */
export interface LogFolders {
  readonly attempts: string
  readonly logs: string
}

/** What a reader must know of a running attempt. */
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
  readonly headSize: number
  readonly segments: readonly Segment[]
  /** Whether the head ends with a whole line; read only where a gap follows. */
  readonly headEndsLine: boolean
}

/** The logs of all attempts: running, ended and forgotten. */
export class AttemptLogs {
  readonly #folders: LogFolders
  readonly #runningLog: (attemptId: string) => RunningLog | undefined

  /** @param runningLog looks up an attempt that has not ended */
  constructor(folders: LogFolders, runningLog: (attemptId: string) => RunningLog | undefined) {
    this.#folders = folders
    this.#runningLog = runningLog
  }

  /** Bytes to be read now; undefined when there is no log. */
  async size(attemptId: string): Promise<number | undefined> {
    const pieces = await this.#pieces(attemptId, this.#runningLog(attemptId))
    return pieces === undefined ? undefined : totalLength(pieces)
  }

  /** The bytes of a range. Nothing when there is no log. */
  read(attemptId: string, range: LogRange): AsyncIterable<Uint8Array> {
    return this.#read(attemptId, range, this.#runningLog(attemptId))
  }

  /** The output from a place in the stream on, until the attempt ends or the signal aborts. */
  follow(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const running = this.#runningLog(attemptId)
    return running === undefined
      ? this.#read(attemptId, { start }, undefined)
      : this.#follow(attemptId, start, running, signal)
  }

  async *#read(attemptId: string, range: LogRange, running: RunningLog | undefined): AsyncIterable<Uint8Array> {
    const pieces = await this.#pieces(attemptId, running)
    if (pieces === undefined) return
    for (const piece of slicePieces(pieces, range.start ?? 0, range.end ?? Infinity))
      yield* this.#stream(attemptId, piece)
  }

  async *#follow(
    attemptId: string,
    start: number,
    running: RunningLog,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const folder = join(this.#folders.attempts, attemptId)
    let position = start
    let endsLine = true
    let watcher: FSWatcher | undefined
    try {
      while (!signal.aborted && running.joined === undefined) {
        watcher ??= watchFolder(folder, running.wake)
        // Requested before reading, so that no change during the read is missed.
        const changed = running.changed(signal)
        changed.catch(() => undefined) // awaited below, unless reading fails first
        for await (const { bytes, next } of this.#rest(attemptId, { position, endsLine }, running)) {
          position = next
          endsLine = bytes.at(-1) === 10
          yield bytes
          if (signal.aborted) return
        }
        await changed
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      watcher?.close()
    }
    if (signal.aborted) return
    yield* this.#read(attemptId, { start: finishedOffset(position, running.joined ?? {}) }, undefined)
  }

  /** Deletes what is left of a log. */
  async delete(attemptId: string): Promise<void> {
    const folder = join(this.#folders.attempts, attemptId)
    await rm(join(this.#folders.logs, `${attemptId}.log`), { force: true })
    await rm(join(folder, logFile), { force: true })
  }

  /** The bytes of a running attempt beyond a position of the stream, each with the position after it. */
  async *#rest(
    attemptId: string,
    { position, endsLine: readerEndsLine }: { readonly position: number; readonly endsLine: boolean },
    running: RunningLog,
  ): AsyncIterable<{ bytes: Uint8Array; next: number }> {
    const found = await this.#liveLog(attemptId, running)
    // A log that is being joined is read on when it is complete: its end wakes the reader.
    if (found === undefined || found === 'joining') return
    const { headSize, segments, headEndsLine } = found
    const markOf = markAfter(running, position <= headSize ? headEndsLine : readerEndsLine)
    let next = position
    for (const piece of livePieces(headSize, segments, position, markOf)) {
      if (piece.type === 'gap') {
        next += piece.gapBytes
        yield { bytes: piece.bytes, next }
        continue
      }
      const end = next + piece.length
      for await (const bytes of this.#stream(attemptId, piece)) {
        next += bytes.length
        yield { bytes, next }
      }
      if (next < end) return // deleted meanwhile: the next look finds what is left
    }
  }

  async #pieces(attemptId: string, running: RunningLog | undefined): Promise<Piece[] | undefined> {
    while (running !== undefined && running.joined === undefined) {
      const changed = running.changed(never)
      const found = await this.#liveLog(attemptId, running)
      if (found === undefined) return undefined
      if (found !== 'joining') return wholeLog(found.headSize, found.segments, markAfter(running, found.headEndsLine))
      await changed
    }
    for (const path of this.#finishedPaths(attemptId)) {
      const size = (await ifThere(stat(path)))?.size
      if (size !== undefined) return size === 0 ? [] : [{ type: 'file', file: logFile, offset: 0, length: size }]
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
    const headSize = Math.min(size, logLimits(running.logLimitBytes).headBytes)
    if (size > headSize) return 'joining'
    const hasGap = (segments[0]?.start ?? headSize) > headSize
    return { headSize, segments, headEndsLine: !hasGap || (await endsLine(join(folder, logFile), headSize)) }
  }

  /** Forgetting an attempt moves its log from the second path to the first, so the third look is at the first again. */
  #finishedPaths(attemptId: string): string[] {
    const forgotten = join(this.#folders.logs, `${attemptId}.log`)
    return [forgotten, join(this.#folders.attempts, attemptId, logFile), forgotten]
  }

  async *#stream(attemptId: string, piece: Piece): AsyncIterable<Uint8Array> {
    if (piece.type === 'gap') {
      yield piece.bytes
      return
    }
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

/** Marks the gaps of a running log. Pure. */
const markAfter =
  ({ logLimitBytes }: RunningLog, afterLine: boolean): MarkOf =>
  (gapBytes) =>
    gapMark({ gapBytes, limitBytes: logLimitBytes, afterLine })

/** Path of the log of an attempt that was forgotten. */
export const keptLogPath = (folders: LogFolders, attemptId: string): string => join(folders.logs, `${attemptId}.log`)

/** Puts the log of an ended attempt where it outlives the attempt's folder. May be interrupted and done again. */
export async function keepLog(folders: LogFolders, attemptId: string): Promise<void> {
  await ifThere(rename(join(folders.attempts, attemptId, logFile), keptLogPath(folders, attemptId)))
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
