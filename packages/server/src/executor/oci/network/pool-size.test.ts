import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { slotLimit } from './plan.ts'
import { slotsToMake, slotsToRemove, type PoolCounts } from './pool-size.ts'

const counts = (more: Partial<PoolCounts>): PoolCounts => ({
  free: 0,
  making: 0,
  leased: 0,
  returned: 0,
  waiting: 0,
  ...more,
})
const anyCounts = fc
  .record({
    free: fc.nat({ max: slotLimit }),
    making: fc.nat({ max: slotLimit }),
    leased: fc.nat({ max: slotLimit }),
    returned: fc.nat({ max: slotLimit }),
    waiting: fc.nat({ max: 1000 }),
  })
  .filter(({ free, making, leased, returned }) => free + making + leased + returned <= slotLimit)
  .filter(({ free, waiting }) => free === 0 || waiting === 0)

describe('the size of the pool', () => {
  it('follows demand', () => {
    assert.equal(slotsToMake(counts({ free: 2 })), 0)
    assert.equal(slotsToMake(counts({ free: 1 })), 1)
    assert.equal(slotsToMake(counts({ free: 1, leased: 20 })), 9)
    assert.equal(slotsToMake(counts({ free: 6, leased: 20 })), 0)
    assert.equal(slotsToMake(counts({ making: 9, leased: 20, waiting: 3 })), 0)
    assert.equal(slotsToMake(counts({ making: 1, waiting: 3 })), 4)
  })

  it('never exceeds the limit, and serves every waiting attempt while there is room', () => {
    fc.assert(
      fc.property(anyCounts, (now) => {
        const make = slotsToMake(now)
        const total = now.free + now.making + now.leased + now.returned + make
        assert.ok(make >= 0 && total <= slotLimit)
        if (now.waiting > now.making + make) assert.equal(total, slotLimit)
      }),
    )
  })

  it('shrinks in steps while it is quiet, and never so far that it must grow at once', () => {
    assert.equal(slotsToRemove(counts({ free: 24 })), 10)
    assert.equal(slotsToRemove(counts({ free: 4 })), 0)
    fc.assert(
      fc.property(anyCounts, (now) => {
        const remove = slotsToRemove(now)
        assert.ok(remove <= now.free)
        if (remove > 0) assert.equal(slotsToMake({ ...now, free: now.free - remove }), 0)
      }),
    )
  })
})
