import { hash } from 'node:crypto'
import { InvalidRequest, shown } from '../../job/invalid.ts'
import type { IdempotencyKey } from '../../store/store.ts'

/**
 * What an `Idempotency-Key` header stands for; undefined without one. Two requests are the same when their bodies say
 * the same, whatever the order of their keys. Pure.
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
  // Whatever clients take for a key, its hash says as well that it is the same.
  return { account, key: hash('sha256', key), fingerprint: hash('sha256', canonical(body)) }
}

/** JSON whose objects have their keys in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
