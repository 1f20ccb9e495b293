import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SingleFlight } from './single-flight.ts'

const never = new AbortController().signal

/** Work that ends on request and counts its starts. */
function controlled() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const signals: AbortSignal[] = []
  const work = (signal: AbortSignal): Promise<string> => {
    signals.push(signal)
    return promise
  }
  return { work, signals, resolve, reject }
}

describe('single flight', () => {
  it('runs once for concurrent callers, and again for later ones', async () => {
    const shared = new SingleFlight<string>()
    const { work, signals, resolve } = controlled()
    const both = Promise.all([shared.join('k', never, work), shared.join('k', never, work)])
    resolve('done')
    assert.deepEqual(await both, ['done', 'done'])
    assert.equal(signals.length, 1)
    assert.equal(await shared.join('k', never, work), 'done')
    assert.equal(signals.length, 2)
  })

  it('runs separately for other keys', async () => {
    const shared = new SingleFlight<string>()
    const { work, signals, resolve } = controlled()
    const both = Promise.all([shared.join('a', never, work), shared.join('b', never, work)])
    resolve('')
    await both
    assert.equal(signals.length, 2)
  })

  it('continues when one of several callers leaves', async () => {
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

  it('is aborted when the last caller leaves, who waits for the clean-up; the next caller starts it again', async () => {
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

  it('fails for all callers', async () => {
    const shared = new SingleFlight<string>()
    const { work, reject } = controlled()
    const both = Promise.allSettled([shared.join('k', never, work), shared.join('k', never, work)])
    reject(new Error('no'))
    for (const outcome of await both) assert.equal(outcome.status, 'rejected')
  })
})
