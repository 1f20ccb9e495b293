import { watch, type FSWatcher } from 'node:fs'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogRange } from '../executor.ts'
import { ifThere, isMissing } from '../../lib/files.ts'
import {
  finishedOffset,
  livePieces,
  segmentStart,
  slicePieces,
  totalLength,
  wholeLog,
  type Joined,
  type Piece,
  type Segment,
} from './log-view.ts'

/** Where logs are: those of attempts in a folder each, those of forgotten ones beside each other. */
export interface LogFolders {
  readonly attempts: string
  readonly logs: string
}

/** What a reader must know of a running attempt to read its log. */
export interface RunningLog {
  /** Bytes of output kept at most. */
  readonly logLimitBytes: number
  /** How the log was joined, once the attempt has ended. */
  readonly joined: Joined | undefined
  /** Resolves when something about the attempt changed, or at the latest after a second; rejects when aborted. */
  readonly changed: (signal: AbortSignal) => Promise<void>
  /** To be called when the attempt's files changed. */
  readonly wake: () => void
}

/** The logs of all attempts, running, ended and forgotten. */
export class AttemptLogs {
  readonly #folders: LogFolders
  readonly #runningLog: (attemptId: string) => RunningLog | undefined

  /** @param runningLog says of an attempt that has not ended what must be known of it. */
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

  /** The output from a place in the stream on, until the attempt has ended or the signal. */
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
    let watcher: FSWatcher | undefined
    try {
      while (!signal.aborted && running.joined === undefined) {
        watcher ??= watchFolder(folder, running.wake)
        // Asked for before reading, so that what comes while reading is not missed.
        const changed = running.changed(signal)
        changed.catch(() => undefined) // awaited below, unless reading fails first
        for await (const { bytes, next } of this.#rest(attemptId, position, running)) {
          position = next
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

  /** Deletes what there is of a log. */
  async delete(attemptId: string): Promise<void> {
    const folder = join(this.#folders.attempts, attemptId)
    await rm(join(this.#folders.logs, `${attemptId}.log`), { force: true })
    await rm(join(folder, 'log'), { force: true })
  }

  /** What there is beyond a position of the stream of a running attempt, with the position after it. */
  async *#rest(
    attemptId: string,
    position: number,
    running: RunningLog,
  ): AsyncIterable<{ bytes: Uint8Array; next: number }> {
    const found = await this.#liveSegments(attemptId, running)
    if (found === undefined) return
    let next = position
    for (const piece of livePieces(found.headSize, found.segments, position)) {
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
      if (next < end) return // deleted meanwhile: the next look tells what is left
    }
  }

  async #pieces(attemptId: string, running: RunningLog | undefined): Promise<Piece[] | undefined> {
    if (running !== undefined && running.joined === undefined) {
      const found = await this.#liveSegments(attemptId, running)
      return found === undefined ? undefined : wholeLog(found.headSize, found.segments)
    }
    for (const path of this.#finishedPaths(attemptId)) {
      const size = (await ifThere(stat(path)))?.size
      if (size !== undefined) return wholeLog(size, [])
    }
    return undefined
  }

  async #liveSegments(
    attemptId: string,
    running: RunningLog,
  ): Promise<{ headSize: number; segments: Segment[] } | undefined> {
    const folder = join(this.#folders.attempts, attemptId)
    const size = (await ifThere(stat(join(folder, 'log'))))?.size
    if (size === undefined) return undefined
    // Beyond the head the file grows only while head and tail are being joined; those bytes are still in segments.
    const headSize = Math.min(size, Math.floor(running.logLimitBytes / 2))
    if (size < headSize || size === 0) return { headSize, segments: [] }
    const starts = ((await ifThere(readdir(folder))) ?? []).map(segmentStart).filter((start) => start !== undefined)
    const segments: Segment[] = []
    for (const start of starts.sort((a, b) => a - b)) {
      const segmentSize = (await ifThere(stat(join(folder, `log.${start}`))))?.size
      if (segmentSize !== undefined) segments.push({ start, size: segmentSize })
    }
    return { headSize, segments }
  }

  /** Forgetting an attempt moves its log from the second place to the first, so the second look is at the first again. */
  #finishedPaths(attemptId: string): string[] {
    const forgotten = join(this.#folders.logs, `${attemptId}.log`)
    return [forgotten, join(this.#folders.attempts, attemptId, 'log'), forgotten]
  }

  async *#stream(attemptId: string, piece: Piece): AsyncIterable<Uint8Array> {
    if (piece.type === 'gap') {
      yield piece.bytes
      return
    }
    const paths =
      piece.file === 'log' ? this.#finishedPaths(attemptId) : [join(this.#folders.attempts, attemptId, piece.file)]
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

/** Puts the log of an ended attempt where it outlives the attempt's folder. May be interrupted and done again. */
export async function keepLog(folders: LogFolders, attemptId: string): Promise<void> {
  await ifThere(rename(join(folders.attempts, attemptId, 'log'), keptLogPath(folders, attemptId)))
}

/** Watches a folder that may not be there yet, or be one too many for the kernel: then the reader looks every second. */
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
