import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { networkFaults, type Link, type ObservedNetwork } from './faults.ts'
import { planNetwork, planSlot } from './plan.ts'
import { parseSubnet } from './subnet.ts'

const plan = planNetwork('ab', parseSubnet('10.208.7.0/24'))
const slots = [1, 2].map((number) => planSlot(plan, number))
const tables = { inet: 'rules', bridge: 'owners' }
const bridge: Link = { name: 'spab', up: true, addresses: ['10.208.7.1'], isolated: false }
const port = (number: number): Link => ({
  name: `spab-${number}`,
  up: true,
  addresses: [],
  master: 'spab',
  isolated: true,
})
const whole: ObservedNetwork = { tables, links: [bridge, port(1), port(2)], forwards: true }
const faultsOf = (changes: Partial<ObservedNetwork>) =>
  networkFaults(plan, { ...whole, ...changes }, { tables, slots }).join('; ')

describe('the faults of a network', () => {
  it('are none while everything is in place, whatever other programs have beside it', () => {
    assert.equal(faultsOf({}), '')
    assert.equal(
      faultsOf({ links: [...whole.links, { ...bridge, name: 'docker0' }, { ...port(3), isolated: false }] }),
      '',
    )
  })

  it('name a table that is missing or was changed', () => {
    assert.equal(faultsOf({ tables: { ...tables, inet: undefined } }), 'the table inet sp_ab is missing')
    assert.equal(faultsOf({ tables: { ...tables, bridge: 'other' } }), 'the table bridge sp_ab was changed')
    const none = { inet: undefined, bridge: undefined }
    assert.equal(
      networkFaults(plan, { ...whole, tables: none }, { tables: none, slots }).length,
      2,
      'also where they were never read',
    )
  })

  it('name a bridge that is missing, down, without its address, or forwards nothing', () => {
    assert.equal(faultsOf({ links: [] }), 'the bridge spab is missing')
    assert.match(faultsOf({ links: [{ ...bridge, up: false }] }), /bridge spab is down/)
    assert.match(faultsOf({ links: [{ ...bridge, addresses: ['10.208.7.2'] }] }), /lacks its address 10\.208\.7\.1/)
    assert.match(faultsOf({ forwards: false }), /not forwarded/)
  })

  it('name ports that are attached to no bridge, to another one, or not isolated', () => {
    const { master: _, ...unattached } = port(2)
    for (const loose of [
      unattached,
      { ...port(2), master: 'br0' },
      { ...port(2), isolated: false },
      { ...port(2), up: false },
    ])
      assert.equal(faultsOf({ links: [bridge, port(1), loose] }), 'not isolated ports of the bridge: spab-2')
  })
})
