import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { LogCopier } from '../log/log-copier.ts'
import { InvalidTransition, nextCustody, tracked, type Custody, type CustodyEvent } from './custody.ts'

const abort = new AbortController()
const copier = {} as LogCopier
const done = Promise.resolve()
const joined = { logHead: 7 }

const custodies: readonly Custody[] = [
  { type: 'queued' },
  { type: 'creating', abort },
  { ...tracked, abort },
  { type: 'settling', done },
  { type: 'ended', joined },
]
const events: readonly CustodyEvent[] = [
  { type: 'creation-began', abort },
  { type: 'job-created' },
  { type: 'creation-ended' },
  { type: 'gate-opened', podUid: 'u' },
  { type: 'gate-refused' },
  { type: 'pod-deleted', podUid: 'u' },
  { type: 'deletion-began', at: 5 },
  { type: 'copying-began', copier },
  { type: 'container-ended', done },
  { type: 'ended', joined: {} },
]

/** The type of the custody after each event, in the order of `events`; '!' where the event cannot happen. */
const table: Readonly<Record<Custody['type'], readonly (Custody['type'] | '!')[]>> = {
  queued: ['creating', '!', '!', '!', '!', '!', '!', '!', '!', 'ended'],
  creating: ['!', 'tracked', 'queued', '!', '!', '!', '!', '!', '!', 'ended'],
  tracked: [
    'tracked',
    'tracked',
    'tracked',
    'tracked',
    'tracked',
    'tracked',
    'tracked',
    'tracked',
    'settling',
    'ended',
  ],
  settling: [
    'settling',
    'settling',
    'settling',
    'settling',
    'settling',
    'settling',
    'settling',
    'settling',
    'settling',
    'ended',
  ],
  ended: ['ended', 'ended', 'ended', 'ended', 'ended', 'ended', 'ended', 'ended', 'ended', 'ended'],
}

describe('the custody of an attempt', () => {
  it('goes from each state by each event as the table says', () => {
    for (const from of custodies)
      for (const [index, event] of events.entries()) {
        const expected = table[from.type][index]
        if (expected === '!') assert.throws(() => nextCustody(from, event), InvalidTransition)
        else assert.equal(nextCustody(from, event).type, expected, `${from.type}, ${event.type}`)
      }
  })

  it('keeps the data of a tracked attempt through the events that do not concern it', () => {
    const steps: readonly CustodyEvent[] = [
      { type: 'creation-began', abort },
      { type: 'gate-opened', podUid: 'u' },
      { type: 'copying-began', copier },
      { type: 'pod-deleted', podUid: 'v' },
      { type: 'deletion-began', at: 5 },
      { type: 'deletion-began', at: 9 },
      { type: 'creation-ended' },
    ]
    assert.deepEqual(steps.reduce(nextCustody, tracked as Custody), {
      type: 'tracked',
      abort: undefined,
      gateOpenedFor: 'u',
      podDeletedFor: 'v',
      deletingSince: 5,
      copier,
    })
  })

  it('lets a gate that the API refused be opened again', () => {
    const opened = nextCustody(tracked, { type: 'gate-opened', podUid: 'u' })
    assert.deepEqual(nextCustody(opened, { type: 'gate-refused' }), tracked)
  })

  it('can abort the Secret with what aborts the Job', () => {
    assert.deepEqual(nextCustody({ type: 'creating', abort }, { type: 'job-created' }), { ...tracked, abort })
  })

  it('never replaces an ending, whatever follows', () => {
    const ended: Custody = { type: 'ended', joined }
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events)), (following) => {
        assert.equal(following.reduce(nextCustody, ended), ended)
      }),
    )
  })
})
