import { logFile, segmentFile } from './log-format.ts'

/** Bytes of the output that lie together: `length` bytes from byte `start` of the output on, at `offset` of `file`. */
export interface Stretch {
  readonly start: number
  readonly length: number
  readonly file: string
  readonly offset: number
}

/** A stretch of bytes in one of the files, or a line of text in the place of `gapBytes` that are gone. */
export type Piece =
  | { readonly type: 'file'; readonly file: string; readonly offset: number; readonly length: number }
  | { readonly type: 'gap'; readonly gapBytes: number; readonly bytes: Uint8Array }

/** A segment: its place in the stream and its size. */
export interface Segment {
  readonly start: number
  readonly size: number
}

/** The text that marks a gap of so many bytes. */
export type MarkOf = (gapBytes: number) => string

/** The output of a running attempt that is there: head and segments. Pure. */
export function liveStretches(headSize: number, segments: readonly Segment[]): Stretch[] {
  const stretches: Stretch[] = headSize > 0 ? [{ start: 0, length: headSize, file: logFile, offset: 0 }] : []
  let next = headSize
  for (const { start, size } of segments.toSorted((a, b) => a.start - b.start)) {
    const skipped = Math.max(0, next - start)
    if (size <= skipped) continue
    const first = start + skipped
    stretches.push({ start: first, length: size - skipped, file: segmentFile(start), offset: skipped })
    next = start + size
  }
  return stretches
}

/** The output of an ended attempt that is there, in a finished log of `size` bytes. Pure. */
export function finishedStretches(size: number, { logHead = 0, logDropped = 0, logLine = 0 }: Joined): Stretch[] {
  const headSize = logDropped === 0 ? size : Math.min(size, logHead)
  const head = { start: 0, length: headSize, file: logFile, offset: 0 }
  const tail = {
    start: headSize + logDropped,
    length: size - headSize - logLine,
    file: logFile,
    offset: headSize + logLine,
  }
  return (logDropped === 0 ? [head] : [head, tail]).filter(({ length }) => length > 0)
}

/** What is left of stretches from a byte of the output on. Pure. */
export const stretchesFrom = (stretches: readonly Stretch[], from: number): Stretch[] =>
  stretches.flatMap(({ start, length, file, offset }) => {
    const skipped = Math.max(0, from - start)
    return skipped >= length
      ? []
      : [{ start: start + skipped, length: length - skipped, file, offset: offset + skipped }]
  })

/** The first byte at or after `from` that is there, and the byte after those that follow it without a gap. Pure. */
export function firstRun(
  stretches: readonly Stretch[],
  from: number,
): { readonly start: number; readonly end: number } | undefined {
  const [first, ...rest] = stretchesFrom(stretches, from)
  if (first === undefined) return undefined
  let end = first.start + first.length
  for (const { start, length } of rest) {
    if (start > end) break
    end = start + length
  }
  return { start: first.start, end }
}

/** The log as a reader sees it now, from its beginning, with a line for what is left out already. Pure. */
export function wholeLog(headSize: number, segments: readonly Segment[], markOf: MarkOf): Piece[] {
  const pieces: Piece[] = []
  let next = 0
  for (const { start, length, file, offset } of liveStretches(headSize, segments)) {
    if (start > next) pieces.push({ type: 'gap', gapBytes: start - next, bytes: Buffer.from(markOf(start - next)) })
    pieces.push({ type: 'file', file, offset, length })
    next = start + length
  }
  // A segment without a byte says how far the output has come.
  const last = Math.max(0, ...segments.map(({ start }) => start))
  if (last > next) pieces.push({ type: 'gap', gapBytes: last - next, bytes: Buffer.from(markOf(last - next)) })
  return pieces
}

/** The bytes `start` (included) to `end` (not included) of a list of pieces. Pure. */
export function slicePieces(pieces: readonly Piece[], start: number, end: number): Piece[] {
  const slices: Piece[] = []
  let at = 0
  for (const piece of pieces) {
    const length = pieceLength(piece)
    const from = Math.max(start - at, 0)
    const to = Math.min(end - at, length)
    at += length
    if (from >= to) continue
    slices.push(
      piece.type === 'file'
        ? { ...piece, offset: piece.offset + from, length: to - from }
        : { ...piece, bytes: piece.bytes.subarray(from, to) },
    )
  }
  return slices
}

/** Bytes in a piece. */
const pieceLength = (piece: Piece): number => (piece.type === 'file' ? piece.length : piece.bytes.length)

/** Bytes in a list of pieces. Pure. */
export const totalLength = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, piece) => sum + pieceLength(piece), 0)

/** How head and tail were joined at the end of a log: bytes of the head, bytes left out, bytes of the line between. */
export interface Joined {
  readonly logHead?: number | undefined
  readonly logDropped?: number | undefined
  readonly logLine?: number | undefined
  /** Bytes for which the disk had no room. Lines that the writer put into the output itself stand in their places. */
  readonly lostBytes?: number | undefined
}

/** The offset in the finished log of a place in the output; of one that was left out, that of the line that marks the gap. Pure. */
export function finishedOffset(position: number, { logHead = 0, logDropped = 0, logLine = 0 }: Joined): number {
  if (logDropped === 0 || position <= logHead) return position
  if (position < logHead + logDropped) return logHead
  return position - logDropped + logLine
}
