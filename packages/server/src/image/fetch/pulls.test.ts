import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ImageError } from './image-error.ts'
import { createPulls } from './pulls.ts'

const reference = (i: number) => ({ registry: 'r.test', path: `a${i}`, tag: '1' })
const text = (i: number) => `r.test/a${i}:1`
const log = { error: () => undefined }
const settled = () => new Promise(setImmediate)

describe('fetches beforehand', () => {
  const failing = {
    prepare: () => Promise.reject(new ImageError({ code: 'image-not-found', message: 'There is none.' })),
  }

  it('remember the last 100 ends of a user, however many fetches the user requests', async () => {
    let at = 1000
    const pulls = createPulls(failing, log, () => at)
    pulls.begin({ account: 'bob', reference: reference(0) })
    for (let i = 0; i < 500; i++) {
      at += 1
      assert.ok(pulls.begin({ account: 'ada', reference: reference(i) }))
      await settled()
    }
    const known = Array.from({ length: 500 }, (_, i) => pulls.find('ada', text(i))).filter((pull) => pull !== undefined)
    assert.equal(known.length, 100)
    assert.equal(pulls.find('ada', text(499))?.state, 'failed')
    assert.equal(pulls.find('bob', text(0))?.state, 'failed', 'those of another user stay')
    await pulls.close()
  })

  it('forget an end after an hour, also when no further fetch begins', async () => {
    let at = 0
    const pulls = createPulls(failing, log, () => at)
    pulls.begin({ account: 'ada', reference: reference(0) })
    await settled()
    at = 3_600_000
    assert.equal(pulls.find('ada', text(0))?.state, 'failed')
    at += 1
    assert.equal(pulls.find('ada', text(0)), undefined)
    await pulls.close()
  })

  it('run two at a time, at most 20 of a user, and pass through their states', async () => {
    const running: { signal: AbortSignal }[] = []
    const stalled = {
      prepare: (_: unknown, { signal }: { signal: AbortSignal }) =>
        new Promise<never>((_resolve, reject) => {
          running.push({ signal })
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error)
          })
        }),
    }
    const pulls = createPulls(stalled, log)
    const states = Array.from({ length: 21 }, (_, i) => pulls.begin({ account: 'ada', reference: reference(i) })?.state)
    assert.deepEqual(states.slice(0, 3), ['pulling', 'pulling', 'waiting'])
    assert.equal(states[20], undefined)
    assert.equal(running.length, 2)
    assert.equal(pulls.begin({ account: 'ada', reference: reference(0) })?.state, 'pulling')
    await pulls.close()
  })
})
