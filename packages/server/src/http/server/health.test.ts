import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import type { ReadinessChecks } from './health.ts'
import { testApp } from '../testing/test-app.ts'

const well = async (): Promise<void> => {}

describe('health', async () => {
  const readinessChecks: { -readonly [K in keyof ReadinessChecks]: ReadinessChecks[K] } = {
    store: well,
    loop: well,
    executor: well,
    audit: well,
    network: well,
  }
  const notices: string[] = []
  const t = await testApp({ readinessChecks, notices: () => notices })
  /** Reads readiness after the previous result has expired. */
  const ready = async () => {
    t.clock.now += 1_000
    const { statusCode, body } = await t.app.inject('/readyz')
    return [statusCode, body]
  }

  it('is ready when all checks pass', async () => {
    assert.deepEqual(await ready(), [200, 'ready\n'])
    assert.equal((await t.app.inject('/healthz')).body, 'ok\n')
  })

  it('stays ready with a notice for the operator', async () => {
    notices.push('2 attempts have no record')
    assert.deepEqual(await ready(), [200, 'ready\n2 attempts have no record\n'])
    notices.pop()
  })

  const faults: readonly (readonly [keyof ReadinessChecks, string])[] = [
    ['store', 'the store cannot be written'],
    ['loop', 'the scheduler loop is stalled'],
    ['executor', 'the executor does not answer'],
    ['audit', 'the audit trail cannot be written'],
    ['network', 'the rules that isolate the network of jobs are not in place; jobs wait until they are'],
  ]
  for (const [name, words] of faults) {
    it(`says which one is not: ${name}; the cause is for the log alone`, async () => {
      readinessChecks[name] = () => Promise.reject(new Error(`secret path of the ${name}`))
      assert.deepEqual(await ready(), [503, `${words}\n`])
      assert.ok(t.logged.some(({ msg, err }) => msg === words && JSON.stringify(err).includes('secret path')))
      assert.equal((await t.app.inject('/healthz')).statusCode, 200)
      const wire = await t.app.inject('/skaha/v1/availability')
      assert.ok(wire.body.includes(words), wire.body)
      readinessChecks[name] = well
      assert.deepEqual(await ready(), [200, 'ready\n'])
    })
  }

  it('names all failed checks', async () => {
    readinessChecks.loop = readinessChecks.executor = () => Promise.reject(new Error('gone'))
    assert.deepEqual(await ready(), [503, 'the scheduler loop is stalled\nthe executor does not answer\n'])
    readinessChecks.loop = readinessChecks.executor = well
  })

  it('limits the time of a check', async () => {
    readinessChecks.executor = () => new Promise(() => {})
    assert.deepEqual(await ready(), [503, 'the executor does not answer\n'])
    readinessChecks.executor = well
  })

  it('runs the checks at most once a second, for any number of requests', async () => {
    let asked = 0
    readinessChecks.store = async () => {
      asked += 1
    }
    await ready()
    await Promise.all(Array.from({ length: 50 }, () => t.app.inject('/readyz')))
    assert.equal(asked, 1)
    readinessChecks.store = well
  })
})

it('finds a store that cannot be written by writing to it', async () => {
  const t = await testApp()
  t.clock.now += 1_000
  assert.equal((await t.app.inject('/readyz')).statusCode, 200)
  const database = new DatabaseSync(t.databasePath)
  database.exec(`create trigger broken before update on probe begin select raise(abort, 'no'); end`)
  t.clock.now += 1_000
  assert.equal((await t.app.inject('/readyz')).body, 'the store cannot be written\n')
  database.exec('drop trigger broken')
  database.close()
  t.clock.now += 1_000
  assert.equal((await t.app.inject('/readyz')).statusCode, 200)
})
