import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { chained, chainHash, trailStart, type AuditEntry, type StoredAuditEntry } from './entry.ts'
import { verifyTrail } from './verify.ts'

const entry = (action: string): AuditEntry => ({
  at: 1,
  actor: 'ada',
  via: 'api',
  action,
  subject: 'k3x9a0qz',
  address: '127.0.0.1',
  outcome: 'done',
  status: 201,
  count: 1,
})
const trail = chained(trailStart, ['a', 'b', 'c', 'd', 'e'].map(entry))
const verify = (entries: readonly StoredAuditEntry[], kept?: { seq: number; hash: string }) =>
  verifyTrail(
    (async function* () {
      yield* entries
    })(),
    kept,
  )
const head = (one: StoredAuditEntry | undefined) => ({ seq: one?.seq ?? 0, hash: one?.hash ?? '' })

test('an unchanged trail is whole, as is an empty one and one that retention has cut', async () => {
  assert.deepEqual(await verify(trail), { whole: true, entries: 5, head: head(trail.at(-1)) })
  assert.deepEqual(await verify([]), { whole: true, entries: 0, head: trailStart })
  assert.deepEqual(await verify(trail.slice(2)), { whole: true, entries: 3, head: head(trail.at(-1)) })
})

test('a changed entry is reported at its place, or at the next one where retention has cut', async () => {
  const changes: Partial<StoredAuditEntry>[] = [
    { at: 2 },
    { actor: 'bob' },
    { via: 'skaha' },
    { tokenPrefix: 'sp_aaaaaa' },
    { tokenJob: 'k3x9a0qz' },
    { action: 'x' },
    { subject: 'zzzzzzzz' },
    { address: '::1' },
    { outcome: 'refused' },
    { status: 200 },
    { problem: 'forbidden' },
    { count: 2 },
    { hash: '0'.repeat(64) },
  ]
  for (const change of changes) {
    for (let i = 0; i < trail.length; i++) {
      const verdict = await verify(trail.map((one, j) => (i === j ? { ...one, ...change } : one)))
      assert.deepEqual([verdict.whole, 'seq' in verdict && verdict.seq], [false, i + 1], JSON.stringify(change))
    }
  }
})

test('a deleted entry is reported; at the end, if an earlier head is given', async () => {
  assert.deepEqual(await verify(trail.toSpliced(2, 1)), {
    whole: false,
    seq: 4,
    fault: 'the entries from 3 to 3 are missing',
  })
  assert.equal((await verify(trail.slice(0, 3))).whole, true)
  assert.equal((await verify(trail.slice(0, 3), head(trail[4]))).whole, false)
  assert.equal((await verify(trail, head(trail[3]))).whole, true)
})

test('a rewritten trail does not have the earlier head', async () => {
  const forged = chained(trailStart, ['a', 'b', 'x', 'd', 'e'].map(entry))
  assert.equal((await verify(forged)).whole, true)
  const verdict = await verify(forged, head(trail[3]))
  assert.equal(verdict.whole, false)
})

test('only equal entries have equal hashes', () => {
  const field = fc.constantFrom(undefined, '', 'null', 'a', 'b', '","')
  const fields = fc.tuple(field, field, field).map(([problem, subject, address]) => ({ problem, subject, address }))
  const hashOf = (change: Partial<Record<keyof AuditEntry, string | undefined>>) =>
    chainHash('', 1, { ...entry('a'), ...change } as AuditEntry)
  fc.assert(
    fc.property(fields, fields, (one, other) => isDeepStrictEqual(one, other) === (hashOf(one) === hashOf(other))),
  )
})
