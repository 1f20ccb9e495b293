import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { slotLimit } from './plan.ts'
import { SlotPool } from './slot-pool.ts'

/** A pool over a maker that only notes what it is asked. */
function poolOf() {
  const there = new Set<number>()
  const occupied = new Set<number>()
  const failures: Error[] = []
  const warnings: string[] = []
  const note = (_: unknown, message: string): void => void warnings.push(message)
  const pool = new SlotPool(
    {
      make: (slots) => {
        const failure = failures.shift()
        if (failure) return Promise.reject(failure)
        for (const slot of slots) there.add(slot)
        return Promise.resolve()
      },
      remove: (slots) => {
        for (const slot of slots) there.delete(slot)
        return Promise.resolve()
      },
      occupied: (slots) => new Set(slots.filter((slot) => occupied.has(slot))),
    },
    { warn: note as never, error: note as never },
  )
  return { pool, there, occupied, failures, warnings }
}

describe('a pool of slots', () => {
  it('hands out slots made in advance, and makes more meanwhile', async () => {
    const { pool, there } = poolOf()
    await pool.fill(4)
    const taken = await Promise.all(['a', 'b', 'c', 'd'].map((key) => pool.take(key)))
    assert.deepEqual(taken, [1, 2, 3, 4])
    assert.equal(await pool.take('e'), 5)
    await pool.close()
    assert.ok(there.size > 5)
  })

  it('hands out a slot that was returned as empty without a look, also to a waiting attempt', async () => {
    const { pool, occupied } = poolOf()
    const slots = await Promise.all(Array.from({ length: slotLimit }, (_, i) => pool.take(`a${i}`)))
    for (const slot of slots) occupied.add(slot) // a look would find every slot in use
    const waiting = pool.take('b')
    pool.giveBack(7, true)
    assert.equal(await waiting, 7)
    pool.giveBack(9, true)
    assert.equal(await pool.take('c'), 9)
    await pool.close()
  })

  it('uses a slot again once it is empty, and not before', async () => {
    const { pool, occupied, there } = poolOf()
    const first = await pool.take('a')
    occupied.add(first)
    pool.giveBack(first)
    const others = await Promise.all(Array.from({ length: 20 }, (_, i) => pool.take(`b${i}`)))
    assert.ok(!others.includes(first))
    occupied.delete(first)
    for (const slot of others) pool.giveBack(slot)
    const again = new Set<number>()
    while (!again.has(first)) again.add(await pool.take('c'))
    assert.ok(there.size < 70, `${there.size}`)
    await pool.close()
  })

  it('makes attempts beyond the limit wait for the next slot', async () => {
    const { pool, there } = poolOf()
    const all = await Promise.all(Array.from({ length: slotLimit }, (_, i) => pool.take(`a${i}`)))
    assert.equal(new Set(all).size, slotLimit)
    const [left, waiting] = [pool.take('left'), pool.take('waits')]
    pool.leave('left')
    await assert.rejects(left, /left ended while it waited/)
    pool.giveBack(7)
    assert.equal(await waiting, 7)
    assert.equal(there.size, slotLimit)
    await pool.close()
  })

  it('does nothing while attempts wait and every slot is leased', async () => {
    const { pool } = poolOf()
    await Promise.all(Array.from({ length: slotLimit }, (_, i) => pool.take(`a${i}`)))
    const waiting = pool.take('waits')
    await new Promise((resolve) => setImmediate(resolve)) // never comes when the loop goes round in microtasks
    pool.giveBack(7)
    assert.equal(await waiting, 7)
    await pool.close()
  })

  it('rejects waiting attempts when no slot can be made, and tries again for the next one', async () => {
    const { pool, failures, warnings } = poolOf()
    failures.push(new Error('no memory'))
    await assert.rejects(pool.take('a'), (error: Error) => {
      assert.match(error.message, /network namespace of the job could not be created/)
      assert.match(String(error.cause), /no memory/)
      return true
    })
    assert.equal(await pool.take('b'), 1)
    assert.deepEqual(warnings, ['network namespaces could not be created'])
    await pool.close()
  })

  it('rejects waiting and new attempts when it is closed', async () => {
    const { pool } = poolOf()
    const all = Array.from({ length: slotLimit }, (_, i) => pool.take(`a${i}`))
    await Promise.all(all)
    const waiting = pool.take('b')
    const closing = pool.close()
    await assert.rejects(waiting, /closed/)
    await assert.rejects(pool.take('c'), /closed/)
    assert.equal((await closing).length, slotLimit)
  })

  it('removes spare slots in steps', async () => {
    const { pool, there } = poolOf()
    await pool.fill(30)
    for (let i = 0; i < 10; i++) await pool.shrink()
    assert.equal(there.size, 4)
    await pool.close()
  })
})
