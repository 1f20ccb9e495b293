import { type OffPeakHours, offPeakHoursOf } from '../../configuration/policy/off-peak.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { ActiveJob, PlannerEvent, Usage } from '../cache/snapshot.ts'
import { usageAfter } from './share.ts'

/** What everybody has used on a virtual clock: each ending is charged as the store would, and told to the planner. */
export class Charges {
  readonly #policy: Policy
  readonly #offPeak: OffPeakHours | undefined
  readonly #usages = new Map<string, Usage>()

  /**
   * @param usages - What was used before.
   * @param offPeak - The policy's, where somebody has worked them out already.
   */
  constructor(policy: Policy, usages: Iterable<Usage> = [], offPeak = offPeakHoursOf(policy)) {
    this.#policy = policy
    this.#offPeak = offPeak
    for (const usage of usages) this.#usages.set(keyOf(usage), usage)
  }

  /** A job ended: what follows for its user. */
  ended(job: ActiveJob, endedAt: number): readonly PlannerEvent[] {
    const key = keyOf(job)
    const usage = usageAfter(this.#usages.get(key), { ...job, endedAt }, this.#policy, this.#offPeak)
    this.#usages.set(key, usage)
    return [{ type: 'usage', usage }]
  }
}

const keyOf = ({ user, group = '' }: Pick<Usage, 'user' | 'group'>): string => `${user}\n${group}`
