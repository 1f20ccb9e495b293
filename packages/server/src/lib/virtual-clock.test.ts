import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { machineClock } from './clock.ts'
import { VirtualClock } from './virtual-clock.ts'

test('due calls run in order, at their own time, including the calls that they set', () => {
  const clock = new VirtualClock(100)
  const done: string[] = []
  const note = (what: string) => () => void done.push(`${what} at ${clock.now()}`)
  clock.at(130, note('late'))
  clock.at(110, () => {
    note('first')()
    clock.at(50, note('over already'))
    clock.at(120, note('set off'))
  })
  clock.at(110, note('second'))
  clock.at(Infinity, note('never'))
  const callOff = clock.at(115, note('called off'))
  callOff()
  assert.deepEqual([done, clock.next()], [[], 110], 'nothing is done before time moves')
  clock.advance(25)
  assert.deepEqual(done, ['first at 110', 'second at 110', 'over already at 110', 'set off at 120'])
  assert.deepEqual([clock.now(), clock.next()], [125, 130])
  clock.advanceTo(1_000)
  callOff()
  assert.deepEqual([done.at(-1), clock.now(), clock.next()], ['late at 130', 1_000, undefined])
})

test('time never goes back, whatever is set and cancelled', () => {
  const settings = fc.array(fc.record({ instant: fc.integer({ min: -10, max: 100 }), off: fc.boolean() }))
  fc.assert(
    fc.property(settings, fc.integer({ min: 0, max: 100 }), (alarms, until) => {
      const clock = new VirtualClock()
      const seen: { alarm: number; at: number }[] = []
      for (const [alarm, { instant, off }] of alarms.entries()) {
        const callOff = clock.at(instant, () => seen.push({ alarm, at: clock.now() }))
        if (off) callOff()
      }
      clock.advanceTo(until)
      const wanted = [...alarms.entries()].flatMap(([alarm, { instant, off }]) =>
        off || instant > until ? [] : { alarm, at: Math.max(0, instant) },
      )
      assert.deepEqual(
        seen,
        wanted.toSorted((a, b) => a.at - b.at),
      )
    }),
  )
})

test('the machine clock behaves alike', async () => {
  const done: string[] = []
  const instant = Date.now() + 20
  machineClock.at(Infinity, () => done.push('never'))
  // Longer than the maximum delay of a Node timer, which would fire at once.
  const callOff = machineClock.at(Date.now() + 2 ** 32, () => done.push('in 50 days'))
  const soon = new Promise<void>((resolve) => machineClock.at(0, resolve)).then(() => done.push('over already'))
  const later = new Promise<void>((resolve) => machineClock.at(instant, resolve))
  assert.deepEqual(done, [])
  await Promise.all([soon, later])
  assert.ok(Date.now() >= instant - 5, 'but for what its timers round')
  assert.deepEqual(done, ['over already'])
  callOff()
})
