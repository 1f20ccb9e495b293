import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { WakeUps } from '../../lib/wake-ups.ts'
import { text } from '../executor-contract.ts'
import { AttemptLogs } from './attempt-log.ts'
import { gapMark } from './log-format.ts'
import type { Joined } from './log-view.ts'

describe('a log while its writer joins head and tail', () => {
  const limitBytes = 64
  const stream = Array.from({ length: 100 }, (_, i) => String.fromCodePoint(97 + (i % 26))).join('')
  const line = gapMark({ gapBytes: 36, limitBytes, afterLine: false })
  const whole = `${stream.slice(0, 32)}${line}${stream.slice(68)}`
  const joined = { logHead: 32, logDropped: 36, logLine: Buffer.byteLength(line) }
  const forever = new AbortController().signal

  let base: string
  let end: Joined | undefined
  let looks: number
  let logs: AttemptLogs
  const file = (name: string) => join(base, 'a', name)

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'attempt-log-'))
    await mkdir(join(base, 'a'))
    end = undefined
    looks = 0
    // The writer has moved a part of the tail; the only segment left is the last.
    await writeFile(file('log'), whole.slice(0, -8))
    await writeFile(file('log.96'), stream.slice(96))
    const changes = new WakeUps()
    const running = {
      logLimitBytes: limitBytes,
      get joined() {
        return end
      },
      // Completes the log at the second look: a reader must then have waited through the first.
      changed: async (signal: AbortSignal) => {
        looks += 1
        if (looks === 2) {
          await writeFile(file('log'), whole)
          await rm(file('log.96'))
          end = joined
        }
        const changed = changes.changed(signal)
        changes.wake()
        return changed
      },
      wake: changes.wake,
    }
    logs = new AttemptLogs({ attempts: base, logs: join(base, 'logs') }, () => running)
  })
  afterEach(() => rm(base, { recursive: true }))

  it('gives a follower every byte that the joined log has', async () => {
    assert.equal(await text(logs.follow('a', 70, forever)), stream.slice(70))
  })

  it('is read, and measured, as the joined log', async () => {
    assert.equal(await text(logs.read('a', {})), whole)
    assert.equal(await logs.size('a'), Buffer.byteLength(whole))
  })
})
