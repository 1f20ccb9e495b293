import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SingleFlight } from './single-flight.ts'

const never = new AbortController().signal

/** Work that ends when told to, and counts how often it was begun. */
function controlled() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const signals: AbortSignal[] = []
  const work = (signal: AbortSignal): Promise<string> => {
    signals.push(signal)
    return promise
  }
  return { work, signals, resolve, reject }
}

describe('shared work', () => {
  it('is done once for all who want it, and again for those who come later', async () => {
    const shared = new SingleFlight<string>()
    const { work, signals, resolve } = controlled()
    const both = Promise.all([shared.join('k', never, work), shared.join('k', never, work)])
    resolve('done')
    assert.deepEqual(await both, ['done', 'done'])
    assert.equal(signals.length, 1)
    assert.equal(await shared.join('k', never, work), 'done')
    assert.equal(signals.length, 2)
  })

  it('is done apart for other keys', async () => {
    const shared = new SingleFlight<string>()
    const { work, signals, resolve } = controlled()
    const both = Promise.all([shared.join('a', never, work), shared.join('b', never, work)])
    resolve('')
    await both
    assert.equal(signals.length, 2)
  })

  it('goes on when one of several leaves', async () => {
    const shared = new SingleFlight<string>()
    const { work, signals, resolve } = controlled()
    const leaver = new AbortController()
    const left = shared.join('k', leaver.signal, work)
    const stayed = shared.join('k', never, work)
    leaver.abort(new Error('gone'))
    await assert.rejects(left, /gone/)
    assert.equal(signals[0]?.aborted, false)
    resolve('done')
    assert.equal(await stayed, 'done')
  })

  it('is aborted when the last leaves, who waits for its cleaning; the next caller starts anew', async () => {
    const shared = new SingleFlight<string>()
    const first = controlled()
    const leaver = new AbortController()
    let told = false
    const left = shared.join('k', leaver.signal, first.work).finally(() => (told = true))
    leaver.abort(new Error('gone'))
    assert.equal(first.signals[0]?.aborted, true)
    const second = controlled()
    const next = shared.join('k', never, second.work)
    assert.equal(second.signals.length, 1)
    await new Promise(setImmediate)
    assert.equal(told, false)
    first.reject(new Error('killed'))
    await assert.rejects(left, /gone/)
    second.resolve('anew')
    assert.equal(await next, 'anew')
  })

  it('fails for all alike', async () => {
    const shared = new SingleFlight<string>()
    const { work, reject } = controlled()
    const both = Promise.allSettled([shared.join('k', never, work), shared.join('k', never, work)])
    reject(new Error('no'))
    for (const outcome of await both) assert.equal(outcome.status, 'rejected')
  })
})
