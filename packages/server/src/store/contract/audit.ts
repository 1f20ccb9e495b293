import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { verifyTrail } from '../../audit/verify.ts'
import type { AuditFilter } from '../store.ts'
import { audited } from '../testing/some-job.ts'
import type { OpenedStore } from './opened-store.ts'

/** The audit trail. */
export function describeAudit(opened: OpenedStore): void {
  test('appends to the audit trail, each entry chained to the one before, from several at once too', async () => {
    const other = await opened.place.open()
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 === 0 ? opened.store : other).addAudit([audited(), audited({ at: 5 })]),
      ),
    )
    await other.close()
    const trail = await opened.store.audit({ order: 'oldest-first', limit: 100 })
    assert.equal(trail.length, 40)
    assert.equal((await verifyTrail(Readable.from(trail))).whole, true)
    assert.deepEqual(
      trail.map(({ seq }) => seq),
      Array.from({ length: 40 }, (_, i) => i + 1),
    )
  })

  test('gives audit entries back as they were, by who, what and when', async () => {
    const entries = [
      audited({ at: 1 }),
      audited({ at: 2, actor: 'bob', subject: 'k3x9a0qz', tokenPrefix: 'sp_abcdef', tokenJob: 'a0000000' }),
      audited({ at: 3, action: 'cancelJob', address: '::1', status: 404, problem: 'job-not-found', count: 7 }),
    ]
    await opened.store.addAudit(entries)
    const ask = async (filter: Partial<AuditFilter>) =>
      (await opened.store.audit({ order: 'newest-first', limit: 10, ...filter })).map(
        ({ seq: _, hash: __, ...entry }) => entry,
      )
    assert.deepEqual(await ask({}), entries.toReversed())
    assert.deepEqual(await ask({ actor: 'bob' }), [entries[1]])
    assert.deepEqual(await ask({ subject: 'k3x9a0qz' }), [entries[1]])
    assert.deepEqual(await ask({ action: 'cancelJob' }), [entries[2]])
    assert.deepEqual(await ask({ since: 2, until: 3 }), [entries[1]])
    assert.deepEqual(await ask({ after: 2 }), [entries[0]])
  })

  test('deletes old audit entries, and what stays still follows on the newest of them', async () => {
    await opened.store.addAudit([1, 2, 3, 2, 5, 6].map((at) => audited({ at })))
    await opened.store.deleteAuditBefore(5)
    const trail = await opened.store.audit({ order: 'oldest-first', limit: 10 })
    assert.deepEqual(
      trail.map(({ seq }) => seq),
      [4, 5, 6],
    )
    assert.equal((await verifyTrail(Readable.from(trail))).whole, true)
    await opened.store.deleteAuditBefore(100)
    assert.equal((await opened.store.audit({ order: 'oldest-first', limit: 10 })).length, 1)
  })
}
