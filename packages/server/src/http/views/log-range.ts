/** Which bytes of a log to send. `end` is the byte after the last one; absent: whatever comes until the log ends. */
export type LogSlice =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly start: number; readonly end: number | undefined }
  | { readonly kind: 'unsatisfiable' }

/**
 * Reads a `Range` header (RFC 9110, section 14) against a log of `size` bytes. Pure. What is not one range of bytes is
 * ignored, as the RFC demands. `growing`: the log is followed, so that bytes which are not there yet will come.
 */
export function sliceOf(range: string | undefined, size: number, growing: boolean): LogSlice {
  const [, from = '', to = ''] = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/.exec(range ?? '') ?? []
  if (from === '' && to === '') return { kind: 'whole' }
  if (from === '') {
    const length = Math.min(Number(to), size)
    if (length === 0) return { kind: 'unsatisfiable' }
    return { kind: 'part', start: size - length, end: growing ? undefined : size }
  }
  const start = Number(from)
  if (to !== '' && Number(to) < start) return { kind: 'whole' }
  if (growing) return { kind: 'part', start, end: undefined }
  if (start >= size) return { kind: 'unsatisfiable' }
  return { kind: 'part', start, end: to === '' ? size : Math.min(Number(to) + 1, size) }
}

/**
 * `Content-Range` of a part. Of a log that is followed nobody knows the last byte: RFC 8673 puts a very large one there,
 * and `*` for the whole.
 */
export const contentRange = (start: number, end: number | undefined, size: number): string =>
  end === undefined ? `bytes ${start}-${Number.MAX_SAFE_INTEGER}/*` : `bytes ${start}-${end - 1}/${size}`
