import assert from 'node:assert/strict'
import { isIPv4 } from 'node:net'
import { describe, it } from 'node:test'
import { builtInBlockedRanges } from '../../blocked-ranges.ts'
import { isInstance, planNetwork, planSlot, slotLimit, slotNumber } from './plan.ts'
import { noRuleset, ruleset } from './ruleset.ts'
import { overlaps, parseSubnet, printAddress } from './subnet.ts'

const plan = planNetwork('ab12cd34', parseSubnet('10.208.7.0/24'))

describe('the plan of a network', () => {
  it('gives every slot names and addresses of its own, inside the block and within what the kernel allows', () => {
    const slots = Array.from({ length: slotLimit }, (_, i) => planSlot(plan, i + 1))
    for (const { name, address, number } of slots) {
      assert.ok(name.length <= 15, name)
      assert.ok(overlaps(parseSubnet(address), plan.subnet))
      assert.notEqual(address, plan.gateway)
      assert.notEqual(address, printAddress(plan.subnet.base + 255))
      assert.equal(slotNumber(plan, name), number)
    }
    assert.equal(new Set(slots.map(({ address }) => address)).size, slotLimit)
    assert.equal(new Set(slots.map(({ mac }) => mac)).size, slotLimit)
  })

  it('knows its own names only', () => {
    const names = [
      'spab12cd34',
      'spab12cd34-0',
      'spab12cd34-251',
      'spab12cd34-01',
      'spab12cd34-1x',
      'eth0',
      'spother-1',
    ]
    for (const name of names) assert.equal(slotNumber(plan, name), undefined, name)
    for (const text of ['', 'A', 'a-b', 'a b', 'abcdefghi', '$(x)']) assert.equal(isInstance(text), false, text)
  })
})

describe('the rules of a network', () => {
  it('name nothing of another platform', () => {
    const text = ruleset(plan, { apiPort: 8080, nameservers: ['192.0.2.53'] }) + noRuleset(plan)
    for (const [, table] of text.matchAll(/table \w+ (\S+)/g)) assert.equal(table, 'sp_ab12cd34')
    for (const [, name = ''] of text.matchAll(/"([^"]+)"/g)) assert.match(name, /^spab12cd34(-(\d+|\*))?$/)
  })

  it('let root alone connect from the machine to a job', () => {
    const [, output = ''] = /chain output \{([^]*?)\}/.exec(ruleset(plan, { apiPort: 8080, nameservers: [] })) ?? []
    assert.deepEqual(
      [...output.matchAll(/oifname (.*)/g)].map(([, rule]) => rule),
      ['"spab12cd34" goto callers', '"spab12cd34-*" goto callers'],
    )
    const [, callers = ''] = /chain callers \{([^]*?)\}/.exec(ruleset(plan, { apiPort: 8080, nameservers: [] })) ?? []
    assert.deepEqual(
      callers
        .trim()
        .split('\n')
        .map((line) => line.trim()),
      [
        'ct state established ct direction reply accept',
        'ct state related accept',
        'meta skuid 0 accept',
        'meta skuid != 0 goto refuse',
        'ct state established accept',
        'goto refuse',
      ],
    )
  })

  it('refuse the built-in ranges of IPv4 after the name servers, which may be among them', () => {
    const text = ruleset(plan, { apiPort: 8080, nameservers: ['169.254.169.253'] })
    const refused = /ip daddr \{ (.*) \} goto refuse/.exec(text)
    assert.deepEqual(
      refused?.[1]?.split(', '),
      builtInBlockedRanges.filter((range) => isIPv4(range.split('/')[0] ?? '')),
    )
    assert.ok(text.indexOf('dport 53 accept') < (refused?.index ?? 0))
  })

  it('let no packet pass for being part of a connection, unless it is a reply', () => {
    const text = ruleset(plan, { apiPort: 8080, nameservers: [] })
    for (const chain of ['prerouting', 'forward']) {
      const [, rules = ''] = new RegExp(`chain ${chain} \\{([^]*?)\n  \\}`).exec(text) ?? []
      for (const [rule] of rules.matchAll(/ct state .*/g))
        assert.match(rule, /^ct state (established ct direction reply|related ip protocol icmp) accept$/)
    }
  })

  it('open the machine for its API and its name servers alone', () => {
    const accepted = (nameservers: readonly string[]) =>
      [...ruleset(plan, { apiPort: 8080, nameservers }).matchAll(/ip daddr .* accept/g)].map(([line]) => line)
    assert.deepEqual(accepted([]), ['ip daddr 10.208.7.1 tcp dport 8080 accept'])
    assert.equal(accepted(['127.0.0.1']).length, 2)
    assert.match(accepted(['192.0.2.53'])[1] ?? '', /192\.0\.2\.53 .* dport 53 accept/)
  })
})
