/**
 * How an attempt's log lies on disk. While it runs, `log` holds the first half of the limit, and segments `log.OFFSET` hold the newest output,
 * OFFSET being the place of their first byte in the whole stream; older segments are deleted. At the end the supervisor joins what is
 * left: head, one line that tells how much was left out, tail.
 */

/** A stretch of bytes in one of the files, or a line of text that stands for `gapBytes` that are gone. */
export type Piece =
  | { readonly type: 'file'; readonly file: string; readonly offset: number; readonly length: number }
  | { readonly type: 'gap'; readonly gapBytes: number; readonly bytes: Uint8Array }

/** A file with its size. */
export interface Segment {
  readonly start: number
  readonly size: number
}

const gap = (gapBytes: number, isFull = false): Piece => ({
  type: 'gap',
  gapBytes,
  bytes: new TextEncoder().encode(
    `[… ${gapBytes} bytes left out: the log is over its limit${isFull ? ', and the disk was full' : ''} …]\n`,
  ),
})

/** The segments among the names of an attempt's folder, with their sizes, in the order of the stream. */
export const segmentStart = (name: string): number | undefined => {
  const digits = /^log\.(\d+)$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/**
 * The log as a reader sees it now, from its beginning: a line stands for what was left out already.
 *
 * @param isFull that some of it was left out for want of room; the line says so.
 */
export const wholeLog = (headSize: number, segments: readonly Segment[], isFull = false): Piece[] =>
  livePieces(headSize, segments, 0, isFull)

/**
 * What a follower who has had the stream up to `position` is given next. When it was too slow and segments are gone, a line says so and it
 * goes on with the oldest that is left.
 */
export function livePieces(headSize: number, segments: readonly Segment[], position: number, isFull = false): Piece[] {
  const pieces: Piece[] = []
  let next = position
  if (next < headSize) {
    pieces.push({ type: 'file', file: 'log', offset: next, length: headSize - next })
    next = headSize
  }
  for (const { start, size } of segments.toSorted((a, b) => a.start - b.start)) {
    if (start + size <= next) continue
    if (start > next) {
      pieces.push(gap(start - next, isFull))
      next = start
    }
    pieces.push({ type: 'file', file: `log.${start}`, offset: next - start, length: start + size - next })
    next = start + size
  }
  return pieces
}

/** The bytes `start` (included) to `end` (not included) of a list of pieces. */
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

/** Bytes in a list of pieces. */
export const totalLength = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, piece) => sum + pieceLength(piece), 0)

/** How a log was joined at its end (see `EndEvidence`). */
export interface Joined {
  readonly logHead?: number | undefined
  readonly logDropped?: number | undefined
  readonly logLine?: number | undefined
}

/**
 * Where in the finished log the place `position` of the stream is: for a follower who began while the attempt ran. A place that was left
 * out is where the line about it is.
 */
export function finishedOffset(position: number, { logHead = 0, logDropped = 0, logLine = 0 }: Joined): number {
  if (logDropped === 0 || position <= logHead) return position
  if (position < logHead + logDropped) return logHead
  return position - logDropped + logLine
}
