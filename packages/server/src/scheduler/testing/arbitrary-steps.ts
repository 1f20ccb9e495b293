import fc from 'fast-check'
import type { PlannerEvent } from '../cache/snapshot.ts'
import { anyJob, anyNode, anyPolicy, anyQuotaSettings, anyUsage } from './arbitrary-queue.ts'
import type { Model } from './model.ts'

/** Events between two plans; `which` chooses among the jobs there are. */
export const anyStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('queued'), job: anyJob }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('ended'), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('cancelled'), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('node'), node: anyNode }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('nodeGone'), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('usage'), usage: anyUsage }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('user'),
      name: fc.constantFrom('ada', 'bob'),
      settings: fc.option(anyQuotaSettings, { nil: undefined }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('group'),
      name: fc.constant('sea'),
      settings: fc.option(anyQuotaSettings, { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('policy'), policy: anyPolicy }) },
  // The clock goes on, and sometimes steps: an hour back, a month on.
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('clock'),
      seconds: fc.oneof(fc.integer({ min: 0, max: 7200 }), fc.constantFrom(-7200, -3600, 2_592_000)),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('plan'),
      isCommitted: fc.boolean(),
      most: fc.constantFrom(1, 3, Infinity),
    }),
  },
)
export type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never

/** The event of a step; undefined where it is none, or there is nothing to choose from. */
export function eventOf(step: Step, model: Model): PlannerEvent | undefined {
  const pick = <T>(all: readonly T[], which: number): T | undefined => all[which % Math.max(1, all.length)]
  switch (step.type) {
    case 'ended': {
      const job = pick(model.active(), step.which)
      return job && { type: 'gone', id: job.id }
    }
    case 'cancelled': {
      const job = pick(model.queued(), step.which)
      return job && { type: 'gone', id: job.id }
    }
    case 'nodeGone': {
      const node = pick(model.nodes(), step.which)
      return node && { type: 'nodeGone', name: node.name }
    }
    case 'clock':
    case 'plan':
      return undefined
    case 'queued':
    case 'node':
    case 'usage':
    case 'user':
    case 'group':
    case 'policy':
      return step
  }
}
