import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { pino } from 'pino'
import type { AuditEntry } from './entry.ts'
import { openAuditTrail } from './trail.ts'

const entry = (change: Partial<AuditEntry> = {}): AuditEntry => ({
  at: 1,
  via: 'api',
  action: 'submitJobs',
  outcome: 'done',
  address: '10.0.0.1',
  status: 201,
  count: 1,
  ...change,
})
const wrongToken = (change: Partial<AuditEntry> = {}) => entry({ outcome: 'refused', status: 401, ...change })

function setUp() {
  const written: AuditEntry[][] = []
  const logged: string[] = []
  let broken = false
  const store = {
    addAudit: async (entries: readonly AuditEntry[]) => {
      if (broken) throw new Error('disk full')
      written.push([...entries])
    },
  }
  const trail = openAuditTrail(store, pino({}, { write: (line: string) => void logged.push(line) }), () => 99)
  return { written, logged, trail, breakStore: (value: boolean) => (broken = value) }
}

test('entries that arrive together are written together, in their order', async () => {
  const { written, trail } = setUp()
  await Promise.all(['a', 'b', 'c'].map((action) => trail.record(entry({ action }))))
  assert.deepEqual(
    written.map((batch) => batch.map(({ action }) => action)),
    [['a', 'b', 'c']],
  )
  await trail.record(entry({ action: 'd' }))
  assert.equal(written.length, 2)
  await trail.close()
})

test('entries that the store fails to write stay in memory in their order, are reported, and are written with the next', async () => {
  const { written, trail, logged, breakStore } = setUp()
  breakStore(true)
  await trail.record(entry({ action: 'a' }))
  assert.equal(trail.fault(), 'the audit trail cannot be written')
  assert.match(logged.join(''), /"audit|disk full/)
  breakStore(false)
  await trail.record(entry({ action: 'b' }))
  assert.deepEqual(
    written.flat().map(({ action }) => action),
    ['a', 'b'],
  )
  assert.equal(trail.fault(), undefined)
  await trail.close()
})

test('a flood of refusals is one entry at once and then a count, by actor, address and action', async () => {
  mock.timers.enable({ apis: ['setInterval'] })
  const { written, trail } = setUp()
  for (let i = 0; i < 10_000; i++) trail.refused(wrongToken({ tokenPrefix: `sp_${i}` }))
  trail.refused(wrongToken({ address: '10.0.0.2' }))
  trail.refused(wrongToken({ actor: 'ada', status: 403 }))
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(
    written.flat().map(({ address, actor, count, tokenPrefix }) => [address, actor, count, tokenPrefix]),
    [
      ['10.0.0.1', undefined, 1, 'sp_0'],
      ['10.0.0.2', undefined, 1, undefined],
      ['10.0.0.1', 'ada', 1, undefined],
    ],
  )
  mock.timers.tick(60_000)
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(written.flat().slice(3), [wrongToken({ at: 99, count: 9_999 })])
  trail.refused(wrongToken())
  trail.refused(wrongToken())
  await trail.close()
  assert.deepEqual(
    written
      .flat()
      .slice(4)
      .map(({ count }) => count),
    [1, 1],
  )
  mock.timers.reset()
})

test('refusals from more than a thousand addresses are counted together', async () => {
  const { written, trail } = setUp()
  for (let i = 0; i < 5_000; i++) trail.refused(wrongToken({ address: `2001:db8::${i}` }))
  await trail.close()
  const entries = written.flat()
  assert.equal(entries.length, 1_002)
  assert.deepEqual([entries.at(-1)?.address, entries.at(-1)?.count], [undefined, 3_999])
  assert.equal(
    entries.reduce((sum, { count }) => sum + count, 0),
    5_000,
  )
})
