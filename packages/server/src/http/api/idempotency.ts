import { hash } from 'node:crypto'
import { InvalidRequest, shown } from '../../job/invalid.ts'
import type { IdempotencyKey } from '../../store/store.ts'

/**
 * The key of a request with an `Idempotency-Key` header; undefined without one. Two requests are equal when their bodies
 * are equal JSON, in any order of keys. Pure.
 * @throws {InvalidRequest}
 */
export function idempotencyOf(
  key: string | string[] | undefined,
  account: string,
  body: unknown,
): IdempotencyKey | undefined {
  if (key === undefined) return undefined
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new InvalidRequest(
      'Idempotency-Key',
      `Idempotency-Key is ${shown(String(key))}`,
      'Use 1 to 255 visible characters without spaces, such as a UUID.',
    )
  }
  // The hash identifies the key as well and has a fixed length.
  return { account, key: hash('sha256', key), fingerprint: hash('sha256', canonical(body)) }
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
