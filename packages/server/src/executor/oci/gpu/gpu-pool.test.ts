import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { GpuPool } from './gpu-pool.ts'

const present = [0, 1, 2, 3]
/** The GPUs, where there is no need to wait. */
const now = async (taken: Promise<readonly number[]>): Promise<readonly number[] | 'waits'> =>
  Promise.race([taken, new Promise<'waits'>((resolve) => setImmediate(resolve, 'waits'))])

describe('the pool of GPUs', () => {
  it('gives each attempt GPUs of its own, the same when it asks again', async () => {
    const pool = new GpuPool()
    assert.deepEqual(await pool.take('a-1', 1, present), [0])
    assert.deepEqual(await pool.take('b-1', 2, present), [1, 2])
    assert.deepEqual(await pool.take('a-1', 1, present), [0])
  })

  it('lets attempts wait, first come, first served', async () => {
    const pool = new GpuPool()
    await pool.take('a-1', 3, present)
    const [b, c] = [pool.take('b-1', 2, present), pool.take('c-1', 1, present)]
    assert.deepEqual([await now(b), await now(c)], ['waits', 'waits'])
    assert.ok(pool.isWaiting('b-1'))
    pool.release('a-1')
    assert.deepEqual([await b, await c], [[0, 1], [2]])
  })

  it('lets an attempt that is released stop waiting', async () => {
    const pool = new GpuPool()
    await pool.take('a-1', 4, present)
    const [b, c] = [pool.take('b-1', 4, present), pool.take('c-1', 1, present)]
    const refused = assert.rejects(b, /b-1 ended while it waited/)
    pool.release('b-1')
    await refused
    pool.release('a-1')
    assert.deepEqual(await c, [0])
  })

  it('leaves the GPUs of attempts of an earlier server alone, also where that did not say which', async () => {
    const pool = new GpuPool()
    pool.hold('old-1', undefined, 1)
    pool.hold('new-1', [0, 3], 2)
    pool.hold('none-1', undefined, 0)
    assert.deepEqual(await pool.take('a-1', 1, present), [2])
    const b = pool.take('b-1', 1, present)
    assert.equal(await now(b), 'waits')
    pool.release('old-1')
    assert.deepEqual(await b, [1])
  })

  it('never gives a GPU to two attempts, and never forgets one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 4 })), { maxLength: 40 }),
        async (steps) => {
          const pool = new GpuPool()
          const has = new Map<string, readonly number[]>()
          const waits = new Set<string>()
          for (const [who, count] of steps) {
            const id = `${who}-1`
            if (has.has(id) || waits.has(id)) {
              has.delete(id)
              waits.delete(id)
              pool.release(id)
            } else {
              waits.add(id)
              pool.take(id, count, present).then(
                (gpus) => {
                  waits.delete(id)
                  has.set(id, gpus)
                },
                () => undefined,
              )
            }
            await new Promise(setImmediate)
            const given = [...has.values()].flat()
            assert.equal(new Set(given).size, given.length)
          }
          for (const id of [...has.keys(), ...waits]) pool.release(id)
          assert.deepEqual(await pool.take('last-1', 4, present), present)
        },
      ),
    )
  })
})
