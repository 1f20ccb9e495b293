import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WorkTurns } from './work-turns.ts'

/** Work that takes longer than a turn may. */
const long = (): void => {
  for (const end = performance.now() + 12; performance.now() < end;);
}

describe('pieces of work', () => {
  it('run one at a time in the order of their arrival, and a small one waits for one large one at most', async () => {
    const turns = new WorkTurns()
    const order: string[] = []
    const piece = (size: 'small' | 'large', name: string) => turns.run(size, () => order.push(name))
    await turns.begin('large')
    const all = [
      ...Array.from({ length: 50 }, (_, i) => piece('large', `large ${i}`)),
      piece('small', 'one'),
      piece('small', 'two'),
    ]
    assert.deepEqual(order, [])
    turns.end()
    await Promise.all(all)
    assert.deepEqual(order, ['one', 'two', ...Array.from({ length: 50 }, (_, i) => `large ${i}`)])
  })

  it('give every turn to a large one too, however many small ones wait', async () => {
    const turns = new WorkTurns()
    let small = 0
    let isOver = false
    // Each small piece is longer than a turn, and another follows on it.
    const flood = async (): Promise<void> => {
      while (!isOver) {
        await turns.run('small', long)
        small++
      }
    }
    const floods = [flood(), flood()]
    await turns.run('large', () => undefined)
    isOver = true
    await Promise.all(floods)
    assert.ok(small <= 6, `${small} small pieces`)
  })

  it('go on after one that fails', async () => {
    const turns = new WorkTurns()
    const failing = turns.run('large', () => {
      throw new Error('no')
    })
    const next = turns.run('large', () => 'next')
    await assert.rejects(failing, /no/)
    assert.equal(await next, 'next')
  })
})
