import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { isEnded, jobStates } from '@science-platform/contract'
import fc from 'fast-check'
import { IllegalTransition, nextState, transitions, type LifecycleEvent } from './lifecycle.ts'

const eventTypes = [
  ...new Set(Object.values(transitions).flatMap((row) => Object.keys(row))),
] as LifecycleEvent['type'][]
const anyEvent = fc
  .constantFrom(...eventTypes)
  .chain((type): fc.Arbitrary<LifecycleEvent> =>
    type === 'exited'
      ? fc.integer({ min: 0, max: 255 }).map((exitCode) => ({ type, exitCode }))
      : fc.constant({ type }),
  )

test('no event leads out of a final state, and some event leads out of every other state', () => {
  for (const state of jobStates)
    assert.equal(
      Object.values(transitions[state]).every((to) => to === state),
      isEnded(state),
      state,
    )
})

test('every event leads to a known state or is refused by name', () => {
  fc.assert(
    fc.property(fc.constantFrom(...jobStates), anyEvent, (from, event) => {
      try {
        assert.ok(jobStates.includes(nextState(from, event)))
      } catch (error) {
        assert.ok(error instanceof IllegalTransition)
        assert.match(error.message, new RegExp(`${from}.*${event.type}`))
      }
    }),
  )
})

test('every state is reachable from queued, and a final state from every state', () => {
  const reach = (from: string, seen = new Set<string>()): Set<string> => {
    for (const to of Object.values(transitions[from as keyof typeof transitions] as Record<string, string>))
      for (const state of to === 'by exit code' ? ['succeeded', 'failed'] : [to])
        if (!seen.has(state)) reach(state, seen.add(state))
    return seen
  }
  const all = reach('queued')
  for (const state of jobStates) assert.ok(all.has(state), `${state} cannot be reached`)
  for (const state of jobStates.filter((state) => !isEnded(state)))
    assert.ok(
      [...reach(state)].some((to) => to === 'cancelled' || to === 'failed'),
      state,
    )
})

test('the exit code decides between success and failure', () => {
  assert.equal(nextState('running', { type: 'exited', exitCode: 0 }), 'succeeded')
  assert.equal(nextState('running', { type: 'exited', exitCode: 3 }), 'failed')
  assert.equal(nextState('starting', { type: 'exited', exitCode: 0 }), 'succeeded')
})

test('a cancelled job is cancelled even if it was about to exit', () => {
  assert.equal(nextState('stopping', { type: 'cancelled' }), 'cancelled')
  assert.equal(nextState('stopping', { type: 'timedOut' }), 'failed')
})

test('docs/job-states.md draws exactly this table', async () => {
  const drawing = await readFile(new URL('../../../../docs/job-states.md', import.meta.url), 'utf8')
  const drawn = [...drawing.matchAll(/^ {4}(\w+) --> (\w+): (\w+)$/gm)].map(
    ([, from, to, event]) => `${from} ${event} ${to}`,
  )
  const table = Object.entries(transitions).flatMap(([from, row]) =>
    Object.entries(row).flatMap(([event, to]) =>
      (to === 'by exit code' ? ['succeeded', 'failed'] : [to]).map((state) => `${from} ${event} ${state}`),
    ),
  )
  assert.deepEqual(drawn.toSorted(), table.toSorted())
})
