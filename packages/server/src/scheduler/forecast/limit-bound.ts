import { limitsOf, type QuotaHolder } from '../cache/quota-holder.ts'
import type { QueueState } from '../cache/queue-state.ts'
import type { Needs, PlannedJob, QueuedJob } from '../cache/snapshot.ts'
import type { Limits } from '../../configuration/policy/policy.ts'

/**
 * In how many seconds the limits of its user and group let a waiting job start, whatever else the cluster has free: until the limit has
 * room, and then the run times of their jobs that were submitted before, as many at once as the limit allows. Zero without a limit.
 */
export function limitBoundSeconds(state: QueueState, asked: QueuedJob, now: number): number {
  const { quotaHolders } = state.ledger.association(asked.user, asked.group)
  return Math.max(0, ...quotaHolders.map((quotaHolder) => boundBy(quotaHolder, state, asked, now)))
}

function boundBy(quotaHolder: QuotaHolder, state: QueueState, asked: QueuedJob, now: number): number {
  const { policy } = state
  const entry = state.entries.get(asked.id)
  if (entry === undefined || !quotaHolder.isLimited(policy)) return 0
  const isOffPeak = state.isOffPeak(now)
  const limits = limitsOf(policy.limits[quotaHolder.kind], quotaHolder.settings?.limits, isOffPeak)
  state.ledger.watchEnds(state.allocations.values())
  const room = quotaHolder.roomAt(entry.lane.group.shape.size, policy, isOffPeak, now) ?? now
  let seconds = (room - now) / 1000
  for (const { association, lanes, shape } of state.groups.values()) {
    if (!association.quotaHolders.includes(quotaHolder)) continue
    const slots = atOnce(limits, shape.needs)
    for (const lane of lanes) {
      const ahead = lane === entry.lane ? lane.countBefore(entry) : lane.countSubmittedBefore(asked.seq)
      const first = lane.first()
      if (first !== undefined) seconds += (ahead * meanSeconds(first.job)) / slots
    }
  }
  return seconds
}

/** How many such jobs the limits allow at once. */
function atOnce(limits: Limits, needs: Needs): number {
  const most = (['cores', 'memoryGb', 'gpus'] as const).map((on) =>
    needs[on] > 0 ? Math.floor((limits[on] ?? Infinity) / needs[on] + rounding) : Infinity,
  )
  return Math.max(1, Math.min(limits.running ?? Infinity, ...most))
}

/** So that three times 0.1 fit in 0.3. */
const rounding = 1e-6

const meanSeconds = ({ prior = [], history = prior, estimateSeconds }: PlannedJob): number =>
  history.length === 0 ? estimateSeconds : history.reduce((sum, seconds) => sum + seconds, 0) / history.length
