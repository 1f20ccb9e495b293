import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTokenUse } from './token-use.ts'

/** A store that records writes unless it is broken, and a clock that moves by hand. */
function setUp() {
  const writes: Record<string, number>[] = []
  const warnings: unknown[] = []
  const clock = { now: 1_000_000 }
  let broken = false
  const use = openTokenUse(
    {
      async noteTokenUse(uses) {
        if (broken) throw new Error('the database is away')
        writes.push(Object.fromEntries(uses))
      },
    },
    { warn: (...words: unknown[]) => void warnings.push(words) },
    () => clock.now,
  )
  return { use, writes, warnings, clock, breakStore: (now: boolean) => (broken = now) }
}

test('each token is written once a minute whatever its uses, all tokens in one write', async () => {
  const { use, writes, clock } = setUp()
  for (let i = 0; i < 1_000; i++) for (const id of ['a', 'b']) use.note(id, undefined)
  await use.close()
  assert.deepEqual(writes, [{ a: 1_000_000, b: 1_000_000 }])
  clock.now += 59_999
  use.note('a', undefined)
  await use.close()
  assert.equal(writes.length, 1)
  clock.now += 1
  use.note('a', 1_000_000)
  await use.close()
  assert.deepEqual(writes.at(-1), { a: 1_060_000 })
})

test('a use that another server wrote within the minute is not written again', async () => {
  const { use, writes } = setUp()
  use.note('a', 999_999)
  await use.close()
  assert.deepEqual(writes, [])
})

test('a failed write is logged, and repeated with the next use', async () => {
  const { use, writes, warnings, breakStore } = setUp()
  breakStore(true)
  use.note('a', undefined)
  await use.close()
  assert.equal(warnings.length, 1)
  breakStore(false)
  use.note('a', undefined)
  await use.close()
  assert.deepEqual(writes, [{ a: 1_000_000 }])
})
