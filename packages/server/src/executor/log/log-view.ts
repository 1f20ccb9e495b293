import { logFile, segmentFile } from './log-format.ts'

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

/** The log as a reader sees it now, from its beginning, with a line for what is left out already. Pure. */
export const wholeLog = (headSize: number, segments: readonly Segment[], markOf: MarkOf): Piece[] =>
  livePieces(headSize, segments, 0, markOf)

/**
 * What follows for a reader that has the stream up to `position`. Where the reader was too slow and segments are gone, a
 * line marks the gap and the log continues with the oldest segment. Pure.
 */
export function livePieces(headSize: number, segments: readonly Segment[], position: number, markOf: MarkOf): Piece[] {
  const pieces: Piece[] = []
  let next = position
  if (next < headSize) {
    pieces.push({ type: 'file', file: logFile, offset: next, length: headSize - next })
    next = headSize
  }
  for (const { start, size } of segments.toSorted((a, b) => a.start - b.start)) {
    if (start + size <= next) continue
    if (start > next) {
      const gapBytes = start - next
      pieces.push({ type: 'gap', gapBytes, bytes: new TextEncoder().encode(markOf(gapBytes)) })
      next = start
    }
    pieces.push({ type: 'file', file: segmentFile(start), offset: next - start, length: start + size - next })
    next = start + size
  }
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
}

/**
 * The offset in the finished log of a place in the stream, for a reader that began while the attempt ran. The offset of a
 * place that was left out is that of the line that marks the gap. Pure.
 */
export function finishedOffset(position: number, { logHead = 0, logDropped = 0, logLine = 0 }: Joined): number {
  if (logDropped === 0 || position <= logHead) return position
  if (position < logHead + logDropped) return logHead
  return position - logDropped + logLine
}
