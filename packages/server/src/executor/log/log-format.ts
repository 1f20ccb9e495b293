/**
 * How an attempt's log lies on disk. While the attempt runs, `log` has the head, which is the first half of the limit, and
 * segments `log.OFFSET` have the newest output; OFFSET is the place of their first byte in the whole stream. Older segments
 * are deleted. At the end the writer joins the rest: head, one line that marks the gap, tail.
 *
 * Three writers and readers follow this file: the log writer, the log reader, and `supervise.pl`, which a test compares with
 * it. Attempts that run during an upgrade have files of the release before, so the format must not change.
 */

/** The file with the head; after the end, with all that is left of the log. */
export const logFile = 'log'

/** The file with the segment that begins at a place of the stream. */
export const segmentFile = (start: number): string => `log.${start}`

/** The place at which a segment begins; undefined for the name of another file. */
export const segmentStart = (name: string): number | undefined => {
  const digits = /^log\.(\d+)$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** How a limit is divided. */
export interface LogLimits {
  /** Bytes of the beginning that stay. */
  readonly headBytes: number
  /** Bytes of the end that stay at least. */
  readonly tailBytes: number
  /** Bytes of a full segment. While the attempt runs, the tail is less than two segments longer than `tailBytes`. */
  readonly segmentBytes: number
}

/** Divides the bytes that an attempt's log may have. Pure. */
export function logLimits(limitBytes: number): LogLimits {
  const headBytes = Math.floor(limitBytes / 2)
  const tailBytes = limitBytes - headBytes
  return { headBytes, tailBytes, segmentBytes: Math.max(1, Math.floor(tailBytes / 8)) }
}

/** What the line between head and tail says. */
export interface Gap {
  readonly gapBytes: number
  readonly limitBytes: number
  /** Whether the byte before it ends a line. @defaultValue true */
  readonly afterLine?: boolean
  /** Whether the disk was full, too. @defaultValue false */
  readonly isFull?: boolean
}

/** The line that marks a gap. Pure. */
export function gapMark({ gapBytes, limitBytes, afterLine = true, isFull = false }: Gap): string {
  const size = limitBytes % 2 ** 20 === 0 ? `${limitBytes / 2 ** 20} MiB` : `${limitBytes} bytes`
  const full = isFull ? ', and the disk was full' : ''
  return `${afterLine ? '' : '\n'}[… ${gapBytes} bytes left out: the log is limited to ${size}${full} …]\n`
}

/** The line in the place of bytes for which the disk had no room. Pure. */
export const lostMark = (lostBytes: number): string => `[… ${lostBytes} bytes lost: the disk was full …]\n`
