import fc from 'fast-check'
import type { Node } from '../../executor/executor.ts'
import { die, exit, forever, use, wait, write, type Behaviour, type Step } from '../../executor/simulated/behaviour.ts'
import type { StoredJob } from '../../job/job.ts'

const second = 1000
const gb = 1024 ** 3

/** A job of a scenario: its request, its behaviour, and when its owner cancels it. */
export interface ScenarioJob {
  readonly at: number
  readonly cores: number
  readonly memoryGb: number
  readonly timeSeconds: number
  readonly graceSeconds: number
  readonly signal: StoredJob['signal']
  readonly behaviour: Behaviour
  /** Attempts that cannot run, for a cause that passes. */
  readonly failedTries: number
  readonly cancelledAt: number | undefined
}

/**
 * A fault. A server that is killed or stopped is away for some time, as is a node. It is killed at the call after so many more, with
 * that call done or not; with another number, the next server is killed too. Or calls fail, and the server goes on.
 */
export type Fault = { readonly at: number; readonly awayMs: number } & (
  | { readonly type: 'kill'; readonly calls: readonly number[]; readonly isLastDone: boolean }
  | { readonly type: 'stop' }
  | { readonly type: 'fail'; readonly calls: number }
  | { readonly type: 'lose'; readonly node: number }
)

const anyInstant = fc.integer({ min: 0, max: 120 * second })
const anyCommand: fc.Arbitrary<readonly Step[]> = fc
  .tuple(
    fc.integer({ min: 0, max: 60 * second }),
    fc.constantFrom(exit(0), exit(0), exit(3), die('SIGSEGV'), use({ memoryBytes: 1e15 }), forever),
  )
  .map(([ms, last]) => [use({ cores: 1, memoryBytes: gb / 2 }), write('x'), wait(ms), last])
const failure: Pick<Behaviour, 'failure'> = { failure: { code: 'image-not-found', message: 'There is no such image.' } }
const anyBehaviour: fc.Arbitrary<Behaviour> = fc
  .record({
    prepareMs: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 5, arbitrary: fc.integer({ min: 1, max: 20 * second }) },
      { weight: 1, arbitrary: fc.constant(Infinity) },
    ),
    failing: fc.constantFrom({}, {}, {}, {}, {}, failure),
    command: anyCommand,
    onSignal: fc.record(
      { TERM: fc.constantFrom([], [wait(3 * second), exit(7)]), USR1: fc.constantFrom([], [write('warned')]) },
      { requiredKeys: [] },
    ),
  })
  .map(({ failing, ...behaviour }) => ({ ...behaviour, ...failing }))
export const anyScenarioJob: fc.Arbitrary<ScenarioJob> = fc
  .record({
    at: anyInstant,
    cores: fc.integer({ min: 1, max: 4 }),
    memoryGb: fc.integer({ min: 1, max: 8 }),
    timeSeconds: fc.integer({ min: 10, max: 90 }),
    graceSeconds: fc.integer({ min: 0, max: 10 }),
    signal: fc.option(fc.constant({ name: 'USR1', secondsBefore: 5 } as const), { nil: undefined }),
    behaviour: anyBehaviour,
    failedTries: fc.constantFrom(0, 0, 0, 1, 3, 1000),
    cancelledAt: fc.option(anyInstant, { nil: undefined, freq: 2 }),
  })
  // A job whose preparation never ends must be cancelled.
  .map((job) => (job.behaviour.prepareMs === Infinity ? { ...job, cancelledAt: job.cancelledAt ?? 200 * second } : job))
export const anyFault: fc.Arbitrary<Fault> = fc
  .tuple(
    fc.record({ at: anyInstant, awayMs: fc.integer({ min: 0, max: 30 * second }) }),
    fc.oneof(
      fc.record({
        type: fc.constant('kill' as const),
        calls: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 3 }),
        isLastDone: fc.boolean(),
      }),
      fc.constant({ type: 'stop' as const }),
      fc.record({ type: fc.constant('fail' as const), calls: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ type: fc.constant('lose' as const), node: fc.nat(2) }),
    ),
  )
  .map(([when, what]) => ({ ...when, ...what }))

/** The cluster of a scenario, and how its server learns of changes. */
export interface ScenarioSettings {
  readonly nodes: readonly Omit<Node, 'name' | 'gpus'>[]
  readonly nodesPrepare: boolean
  /** How many jobs may run at once; all are of one user. */
  readonly running: number
  /** The server receives no notification of changes: it finds them in its list. */
  readonly deaf: boolean
}
export const anySettings: fc.Arbitrary<ScenarioSettings> = fc.record({
  nodes: fc.array(fc.record({ cores: fc.integer({ min: 4, max: 8 }), memoryGb: fc.integer({ min: 8, max: 16 }) }), {
    minLength: 1,
    maxLength: 3,
  }),
  nodesPrepare: fc.boolean(),
  running: fc.constantFrom(1, 3, 100),
  deaf: fc.boolean(),
})
