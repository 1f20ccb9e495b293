/** The bytes of a log to send. `end` is the byte after the last one; absent: everything until the log ends. */
export type LogSlice =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly start: number; readonly end: number | undefined }
  | { readonly kind: 'unsatisfiable' }

/**
 * Applies a `Range` header (RFC 9110, section 14) to a log of `size` bytes. Pure. Any header but a single range of bytes is
 * ignored, as the RFC requires. `growing`: the log is followed, so a range may begin at or after its end.
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
 * `Content-Range` of a part. The length of a growing log is unknown: RFC 8673 writes a very large last byte, and `*` for
 * the length.
 */
export const contentRange = (start: number, end: number | undefined, size: number): string =>
  end === undefined ? `bytes ${start}-${Number.MAX_SAFE_INTEGER}/*` : `bytes ${start}-${end - 1}/${size}`
