import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { chooseSubnet, overlaps, parseAddress, parseSubnet, printAddress, printSubnet } from './subnet.ts'

const address = fc.nat({ max: 0xff_ff_ff_ff })
const subnet = fc
  .tuple(address, fc.integer({ min: 0, max: 32 }))
  .map(([at, bits]) => parseSubnet(`${printAddress(at)}/${bits}`))

describe('a block of addresses', () => {
  it('reads back as it is printed', () => {
    fc.assert(fc.property(address, (at) => assert.equal(parseAddress(printAddress(at)), at)))
    fc.assert(fc.property(subnet, (block) => assert.deepEqual(parseSubnet(printSubnet(block)), block)))
    assert.equal(printSubnet(parseSubnet('192.0.2.77/24')), '192.0.2.0/24')
    assert.equal(printSubnet(parseSubnet('192.0.2.77')), '192.0.2.77/32')
  })

  it('is an error when it is no IPv4 block', () => {
    for (const text of ['', '1.2.3', '1.2.3.256', '1.2.3.4/33', '1.2.3.4/x', 'fd00::1', '1.2.3.-4']) {
      assert.throws(() => parseSubnet(text), RangeError, text)
    }
  })

  it('overlaps another exactly when one holds the other', () => {
    assert.equal(overlaps(parseSubnet('10.0.0.0/8'), parseSubnet('10.9.0.0/16')), true)
    assert.equal(overlaps(parseSubnet('10.0.0.0/24'), parseSubnet('10.0.1.0/24')), false)
    fc.assert(fc.property(subnet, subnet, (a, b) => overlaps(a, b) === overlaps(b, a)))
  })
})

describe('the block for a bridge', () => {
  it('is private and shares no address with what is in use', () => {
    const used = fc.array(subnet.filter(({ prefix }) => prefix >= 8))
    fc.assert(
      fc.property(used, fc.nat({ max: 65_535 }), (blocks, seed) => {
        const chosen = chooseSubnet(blocks, seed)
        if (chosen === undefined) return
        assert.ok(!blocks.some((block) => overlaps(block, chosen)))
        const isPrivate = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].some((block) =>
          overlaps(parseSubnet(block), chosen),
        )
        assert.ok(isPrivate, printSubnet(chosen))
      }),
    )
  })

  it('may be in the range of the default route, and differs by the seed', () => {
    const [one, two] = [1, 2].map((seed) => chooseSubnet([parseSubnet('default')], seed))
    assert.ok(one && two && !overlaps(one, two))
  })

  it('is another where the first choice is in use, and undefined where every block is', () => {
    assert.equal(printSubnet(chooseSubnet([parseSubnet('10.0.0.0/8')], 0) ?? parseSubnet('0.0.0.0')), '172.16.0.0/24')
    const all = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(parseSubnet)
    assert.equal(chooseSubnet(all, 0), undefined)
  })
})
