import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { createProgress } from './progress.ts'

describe('the progress of a command', () => {
  const stream = (isTTY: boolean) => {
    const written: string[] = []
    return { isTTY, written, write: (text: string) => written.push(text) }
  }

  it('is one line per step where standard error is not a terminal', () => {
    const out = stream(false)
    const progress = createProgress(out)
    progress.show('Loading a.tar')
    progress.show('Unpacking')
    progress.end()
    assert.deepEqual(out.written, ['Loading a.tar\n', 'Unpacking\n'])
  })

  it('is one line with the seconds of the step on a terminal, and is removed at the end', () => {
    mock.timers.enable({ apis: ['setInterval'] })
    try {
      const out = stream(true)
      const progress = createProgress(out)
      progress.show('Loading a.tar')
      mock.timers.tick(1000)
      progress.show('Unpacking')
      progress.end()
      progress.end()
      mock.timers.tick(5000)
      const shown = out.written.map((text) => text.slice('\r\u001b[K'.length))
      assert.equal(shown.length, 4)
      assert.equal(shown[0], 'Loading a.tar …')
      assert.match(shown[1] ?? '', /^Loading a\.tar … \d+ s$/)
      assert.deepEqual(shown.slice(2), ['Unpacking …', ''])
    } finally {
      mock.timers.reset()
    }
  })
})
