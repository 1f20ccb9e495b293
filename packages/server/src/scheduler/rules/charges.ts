import { type OffPeakHours, offPeakHoursOf } from '../../configuration/policy/off-peak.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { ActiveJob, PlannerEvent, Usage } from '../cache/snapshot.ts'
import { usageAfter } from './share.ts'

/** Usage on a virtual clock: each ending is charged as the store charges it. */
export class Charges {
  readonly #policy: Policy
  readonly #offPeak: OffPeakHours | undefined
  readonly #usages = new Map<string, Usage>()

  /**
   * @param usages - At the beginning.
   * @param offPeak - The policy's off-peak hours, where the caller has them already.
   */
  constructor(policy: Policy, usages: Iterable<Usage> = [], offPeak = offPeakHoursOf(policy)) {
    this.#policy = policy
    this.#offPeak = offPeak
    for (const usage of usages) this.#usages.set(keyOf(usage), usage)
  }

  /** Charges a job that ended. @returns the events for the planner. */
  ended(job: ActiveJob, endedAt: number): readonly PlannerEvent[] {
    const key = keyOf(job)
    const usage = usageAfter(this.#usages.get(key), { ...job, endedAt }, this.#policy, this.#offPeak)
    this.#usages.set(key, usage)
    return [{ type: 'usage', usage }]
  }
}

const keyOf = ({ user, group = '' }: Pick<Usage, 'user' | 'group'>): string => `${user}\n${group}`
