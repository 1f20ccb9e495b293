import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkNetwork, offeredNetworks } from './offered-networks.ts'

describe('the networks on offer', () => {
  it("exclude the machine's own where jobs are isolated, unless the settings name it", () => {
    assert.deepEqual(offeredNetworks({}, true), ['isolated', 'none'])
    assert.deepEqual(offeredNetworks({ default: 'host' }, true), ['isolated', 'none', 'host'])
    assert.deepEqual(offeredNetworks({ allowed: ['host'] }, true), ['host'])
    assert.deepEqual(offeredNetworks({}, false), ['host', 'none'])
  })

  it('are the only networks that a job may request', () => {
    checkNetwork(undefined, [])
    checkNetwork('none', ['none'])
    assert.throws(() => {
      checkNetwork('host', ['isolated', 'none'])
    }, /network is host, which this platform does not offer/)
  })
})
