import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NetworkGuard, type GuardOptions } from './guard.ts'
import { changedBy } from './rules-monitor.ts'

/** A network whose faults and repairs a test decides. */
function scripted(options: Partial<GuardOptions> = {}) {
  const network = { faults: [] as string[], repairs: 0, looks: 0, repairFails: undefined as Error | undefined }
  const logged: string[] = []
  const note =
    (level: string) =>
    (facts: object, message: string): void => {
      logged.push(`${level}: ${message} ${JSON.stringify(facts)}`)
    }
  const guard = new NetworkGuard({
    guarded: {
      look: async () => {
        network.looks += 1
        return network.faults
      },
      repair: async () => {
        network.repairs += 1
        if (network.repairFails !== undefined) throw network.repairFails
        network.faults = []
      },
    },
    log: { info: note('info'), warn: note('warn'), error: note('error') } as GuardOptions['log'],
    everyMs: 3_600_000,
    freshMs: 3_600_000,
    retryMs: 1,
    ...options,
  })
  guard.start()
  return { guard, network, logged }
}

describe('the guard of a network', () => {
  it('looks at nothing for a lease while the last look is fresh and nothing was reported', async () => {
    const { guard, network } = scripted()
    for (let i = 0; i < 100; i++) await guard.whole(`job-${i}`)
    assert.equal(network.looks, 0)
    await guard.close()
  })

  it('looks before a lease when the last look is old', async () => {
    const { guard, network } = scripted({ freshMs: 0 })
    await guard.whole('job-1')
    assert.equal(network.looks, 1)
    await guard.close()
  })

  it('repairs what is wrong before it lets an attempt have a lease, and logs both with the program that did it', async () => {
    const { guard, network, logged } = scripted()
    network.faults = ['the table is missing']
    guard.changed('nft')
    await guard.whole('job-1')
    assert.equal(network.repairs, 1)
    assert.equal(guard.fault(), undefined)
    assert.match(logged[0] ?? '', /^warn: .*the table is missing","program":"nft"/)
    assert.match(logged[1] ?? '', /^info: .*is repaired.*the table is missing/)
    assert.equal(logged.length, 2)
    await guard.close()
  })

  it('lets no attempt have a lease while the repair fails, says so once, and tries again', async () => {
    const { guard, network, logged } = scripted()
    network.faults = ['the table is missing']
    network.repairFails = new Error('nft is gone')
    guard.changed()
    const leased = guard.whole('job-1')
    let hasLease = false
    void leased.then(() => {
      hasLease = true
    })
    while (network.repairs < 5) await new Promise(setImmediate)
    assert.equal(hasLease, false)
    assert.equal(guard.fault(), 'nft is gone')
    network.repairFails = undefined
    await leased
    assert.equal(guard.fault(), undefined)
    assert.equal(logged.filter((line) => line.startsWith('error')).length, 1, logged.join('\n'))
    await guard.close()
  })

  it('counts a look that fails as a fault', async () => {
    let fails = true
    const { guard, logged } = scripted({
      guarded: {
        look: async () => {
          if (fails) throw new Error('no netlink')
          return []
        },
        repair: async () => {
          fails = false
        },
      },
    })
    guard.changed()
    await guard.whole('job-1')
    assert.match(logged[0] ?? '', /cannot be looked at: no netlink/)
    await guard.close()
  })

  it('rejects an attempt that ends, or that waits when the guard closes', async () => {
    const { guard, network } = scripted()
    network.faults = ['x']
    network.repairFails = new Error('y')
    guard.changed()
    const [one, two] = [guard.whole('one-1'), guard.whole('two-1')]
    const refused = [assert.rejects(one, /one-1 ended while/), assert.rejects(two, /was closed/)]
    guard.leave('one-1')
    await guard.close()
    await Promise.all(refused)
  })
})

it('reads from the monitor which program changed the rules', () => {
  assert.equal(changedBy('delete table inet x\n# new generation 7 by process 4711 (nft)\n'), 'nft')
  assert.equal(changedBy('delete table inet x\n'), undefined)
})
