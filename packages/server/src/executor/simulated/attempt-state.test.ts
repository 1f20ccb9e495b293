import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { begin, dueAt, proceed, react, usageOf, type AttemptEvent, type AttemptState } from './attempt-state.ts'
import {
  awaitFile,
  die,
  exit,
  forever,
  remove,
  touch,
  use,
  wait,
  write,
  type Behaviour,
  type Step,
} from './behaviour.ts'

const resources = {
  cores: { request: 1, limit: 2 },
  memoryGb: { request: 1, limit: 1 },
  gpus: 0,
  fixed: false,
} as const

const around = (behaviour: Behaviour, now: number, files: readonly string[] = []) => ({
  spec: { resources },
  behaviour,
  now,
  hasFile: (file: string) => files.includes(file),
})

/** Lets an attempt be for some time, and returns what has become of it. */
function after(state: AttemptState, behaviour: Behaviour, now: number): AttemptState {
  let reached = state
  for (;;) {
    const next = proceed(reached, around(behaviour, now))
    if (next === undefined) return reached
    reached = next.state
  }
}
const run = (behaviour: Behaviour, now: number): AttemptState => after(begin(behaviour, 0), behaviour, now)
const endingOf = (state: AttemptState) => (state.phase === 'ended' ? state.ending : undefined)

test('it is prepared for its time, then runs, then ends', () => {
  const behaviour = { prepareMs: 100, command: [wait(50), exit(3)] }
  const preparing = run(behaviour, 99)
  assert.deepEqual([preparing.phase, dueAt(preparing)], ['preparing', 100])
  const running = run(behaviour, 100)
  assert.deepEqual([running.phase, dueAt(running)], ['running', 150])
  const ended = after(running, behaviour, 150)
  assert.deepEqual([endingOf(ended)?.exitCode, endingOf(ended)?.at, dueAt(ended)], [3, 150, Infinity])
})

test('it uses what it says, from then on, and no more cores than it may', () => {
  const behaviour = { command: [wait(1000), use({ cores: 8, memoryBytes: 500 }), wait(2000), use({}), wait(1000)] }
  const start = run(behaviour, 0)
  const busy = after(start, behaviour, 1000)
  assert.deepEqual(usageOf(busy, 2000), { cpuSeconds: 2, cores: 2, memoryBytes: 500, memoryPeakBytes: 500 })
  const idle = after(busy, behaviour, 3000)
  assert.deepEqual(usageOf(idle, 3500), { cpuSeconds: 4, cores: 0, memoryBytes: 0, memoryPeakBytes: 500 })
  const ended = after(idle, behaviour, 4000)
  assert.deepEqual(endingOf(ended)?.usage, { cpuSeconds: 4, cores: 1, memoryPeakBytes: 500 })
  assert.equal(usageOf(ended, 4000), undefined)
})

test('files are waited for, and missed where they are to be removed', () => {
  const waiting = run({ command: [awaitFile('a')] }, 0)
  assert.deepEqual([waiting.phase, dueAt(waiting)], ['running', Infinity])
  assert.equal(proceed(waiting, around({ command: [] }, 5)), undefined)
  assert.notEqual(proceed(waiting, around({ command: [] }, 5, ['a'])), undefined)
  assert.equal(endingOf(run({ command: [remove('a')] }, 0))?.exitCode, 1)
})

test('a signal is heard in between: what was begun goes on for the rest of its time', () => {
  const behaviour = { command: [wait(1000), exit(0)], onSignal: { USR1: [wait(100)] } }
  const warned = react(run(behaviour, 0), { type: 'signal', signal: 'USR1' }, around(behaviour, 400))
  const ended = after(after(after(warned, behaviour, 400), behaviour, 500), behaviour, 1100)
  assert.deepEqual([endingOf(ended)?.at, endingOf(ended)?.exitCode], [1100, 0])
  const deaf = react(run({ command: [forever] }, 0), { type: 'signal', signal: 'USR1' }, around({ command: [] }, 5))
  assert.deepEqual([endingOf(deaf)?.exitCode, endingOf(deaf)?.cause.code], [138, 'signalled'])
})

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom<Step>(forever, touch('a'), awaitFile('a'), remove('a'), exit(3), die('SIGSEGV'), write('x')),
  fc.integer({ min: 0, max: 50 }).map(wait),
  fc.record({ cores: fc.integer({ max: 9 }), memoryBytes: fc.constantFrom(1, 2 ** 31) }).map(use),
)
const anyBehaviour: fc.Arbitrary<Behaviour> = fc.record(
  {
    prepareMs: fc.constantFrom(0, 20, Infinity),
    command: fc.array(anyStep),
    onSignal: fc.record({ TERM: fc.array(anyStep), USR1: fc.array(anyStep) }, { requiredKeys: [] }),
  },
  { requiredKeys: ['command'] },
)
const anyEvent: fc.Arbitrary<AttemptEvent> = fc.oneof(
  fc.record({ type: fc.constant('stop' as const), graceSeconds: fc.constantFrom(0, 0.01, 600) }),
  fc.constantFrom<AttemptEvent>({ type: 'signal', signal: 'USR1' }, { type: 'nodeLost', node: 'n1' }),
)

test('whatever befalls it, it goes on only from preparing to running to ended, and ends for good', () => {
  const phases = ['preparing', 'running', 'ended']
  const timeline = fc.array(fc.record({ ms: fc.integer({ min: 0, max: 40 }), event: anyEvent }))
  fc.assert(
    fc.property(anyBehaviour, timeline, (behaviour, events) => {
      let now = 0
      let state = begin(behaviour, now)
      const become = (next: AttemptState): void => {
        assert.ok(phases.indexOf(next.phase) >= phases.indexOf(state.phase))
        if (state.phase === 'ended') assert.equal(next, state)
        state = next
      }
      for (const { ms, event } of events) {
        now += ms
        become(after(state, behaviour, now))
        assert.ok(dueAt(state) > now, 'all that is due is done')
        become(react(state, event, around(behaviour, now)))
      }
      // Told to end, it has ended when its grace period is over, whatever it does.
      become(react(state, { type: 'stop', graceSeconds: 1 }, around(behaviour, now)))
      become(after(state, behaviour, now + 1000))
      const ending = endingOf(state)
      assert.ok(ending !== undefined && ending.cause.message !== '')
      assert.equal(
        ending.exitCode === undefined,
        ['lost', 'cancelled'].includes(ending.cause.code) && ending.usage === undefined,
      )
    }),
  )
})
