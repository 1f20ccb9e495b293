import type { QueueOverview } from '@science-platform/contract'
import type { Capacity } from '../../job/resources.ts'
import type { EstimateScores } from '../../store/store.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { Needs } from '../cache/snapshot.ts'
import type { PlannerPair } from '../forecast/planner-pair.ts'
import type { QuotaHolderName } from '../rules/quota-holder-name.ts'
import { decayed } from '../rules/share.ts'
import { scoreView } from './why.ts'

/** A question for an overview of the queue. */
export interface OverviewQuestion {
  /** Users and groups whose part is shown. */
  readonly quotaHolders: readonly QuotaHolderName[]
  readonly scores: EstimateScores
}

/** The queue as a whole, with the allocations, limits and usage of some quota holders. The planners are as before when it returns. */
export function overview(
  { deciding, forecasting }: PlannerPair,
  { quotaHolders, scores }: OverviewQuestion,
  now: number,
): QueueOverview {
  const snapshot = deciding.snapshot()
  const { policy } = snapshot
  const { offPeak } = deciding
  const [nodes, active, usage] = [[...snapshot.nodes], [...snapshot.active], [...snapshot.usage]]
  const capacity = nodes.reduce(add, none)
  const allocated = sumOf(active)
  const holderOf = (quotaHolder: QuotaHolderName): QueueOverview['holders'][number] => {
    const { kind, name } = quotaHolder
    const jobs = active.filter((job) => isOf(job, quotaHolder))
    const settings = (kind === 'user' ? snapshot.users : snapshot.groups).get(name)
    const { offPeak: offPeakLimits, ...always } = { ...policy.limits[kind], ...settings?.limits }
    return {
      kind,
      name,
      holds: { ...sumOf(jobs), running: jobs.length, queued: deciding.queuedCount(quotaHolder) },
      limits: { ...always, ...(offPeakLimits === undefined ? {} : { offPeak: offPeakLimits }) },
      coreHours: usage
        .filter((each) => isOf(each, quotaHolder))
        .reduce((sum, each) => sum + decayed(each, now, policy.halfLifeHours), 0),
    }
  }
  return {
    nodes: nodes.length,
    capacity,
    free: add(capacity, { cores: -allocated.cores, memoryGb: -allocated.memoryGb, gpus: -allocated.gpus }),
    largestFree: [...forecasting.largestFree()],
    running: active.length,
    waiting: deciding.waiting(),
    ...(offPeak === undefined ? {} : { offPeak: windowView(offPeak, now) }),
    holders: quotaHolders.map(holderOf),
    scores: { start: scoreView(scores.start), run: scoreView(scores.run) },
  }
}

const isOf = (of: { readonly user: string; readonly group?: string }, { kind, name }: QuotaHolderName): boolean =>
  of[kind] === name

const none: Capacity = { cores: 0, memoryGb: 0, gpus: 0 }

const add = (a: Capacity, b: Capacity): Capacity => ({
  cores: a.cores + b.cores,
  memoryGb: a.memoryGb + b.memoryGb,
  gpus: a.gpus + b.gpus,
})

/** The capacity that jobs ask for together. */
export const sumOf = (jobs: Iterable<{ readonly needs: Needs }>): Capacity =>
  Iterator.from(jobs)
    .map(({ needs }) => needs)
    .reduce<Capacity>(add, none)

function windowView(offPeak: OffPeakHours, now: number): NonNullable<QueueOverview['offPeak']> {
  const edge = offPeak.nextEdge(now)
  return {
    isNow: offPeak.isOpen(now),
    timezone: offPeak.timezone,
    ...(edge === undefined ? {} : { changesAt: new Date(edge).toISOString() }),
  }
}
