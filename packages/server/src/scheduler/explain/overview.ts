import type { QueueOverview } from '@science-platform/contract'
import type { Capacity } from '../../job/resources.ts'
import type { EstimateScores } from '../../store/store.ts'
import { type OffPeakHours, offPeakHoursOf } from '../../configuration/policy/off-peak.ts'
import type { Policy, QuotaSettings } from '../../configuration/policy/policy.ts'
import type { ActiveJob, Needs, PlanNode, Snapshot, Usage } from '../cache/snapshot.ts'
import { classOf, type JobClass } from '../rules/job-class.ts'
import type { QuotaHolderName } from '../rules/quota-holder-name.ts'
import { decayed } from '../rules/share.ts'
import { capacityOf, largestOf, minus, sizeOfOffer, sizeOfRequest } from '../rules/size.ts'
import { scoreView } from './why.ts'

/** What an overview is made of. */
export interface OverviewFacts {
  readonly now: number
  readonly policy: Policy
  readonly offPeak: OffPeakHours | undefined
  readonly nodes: readonly PlanNode[]
  readonly active: readonly Pick<ActiveJob, 'needs' | 'user' | 'group'>[]
  /** Number of queued jobs by class. */
  readonly waiting: Readonly<Record<JobClass, number>>
  /** What is free on single nodes ({@link largestOf}). */
  readonly largestFree: readonly Capacity[]
  readonly usage: readonly Usage[]
  readonly settingsOf: (quotaHolder: QuotaHolderName) => QuotaSettings | undefined
  readonly queuedCount: (quotaHolder: QuotaHolderName) => number
  readonly scores: EstimateScores
}

/** The queue as a whole, with the allocations, limits and usage of these quota holders. Pure. */
export function overviewOf(facts: OverviewFacts, quotaHolders: readonly QuotaHolderName[]): QueueOverview {
  const { nodes, active, waiting, largestFree, offPeak, now, scores } = facts
  const capacity = nodes.reduce(add, none)
  const allocated = sumOf(active)
  return {
    nodes: nodes.length,
    capacity,
    free: add(capacity, { cores: -allocated.cores, memoryGb: -allocated.memoryGb, gpus: -allocated.gpus }),
    largestFree: [...largestFree],
    running: active.length,
    waiting,
    ...(offPeak === undefined ? {} : { offPeak: windowView(offPeak, now) }),
    holders: quotaHolders.map((quotaHolder) => quotaHolderView(quotaHolder, facts)),
    scores: { start: scoreView(scores.start), run: scoreView(scores.run) },
  }
}

/** The same from a snapshot alone. Pure. */
export function overviewIn(
  snapshot: Snapshot,
  quotaHolders: readonly QuotaHolderName[],
  scores: EstimateScores,
  now: number,
): QueueOverview {
  const { policy } = snapshot
  const nodes = [...snapshot.nodes]
  const active = [...snapshot.active]
  const waiting = { small: 0, normal: 0, large: 0 }
  const queued = new Map(quotaHolders.map((each) => [each, 0]))
  for (const job of snapshot.queued) {
    waiting[classOf(job.needs, policy)]++
    for (const [quotaHolder, count] of queued) if (isOf(job, quotaHolder)) queued.set(quotaHolder, count + 1)
  }
  const facts = {
    now,
    policy,
    offPeak: offPeakHoursOf(policy),
    nodes,
    active,
    waiting,
    largestFree: largestFree(nodes, active),
    usage: [...snapshot.usage],
    settingsOf: ({ kind, name }: QuotaHolderName) => (kind === 'user' ? snapshot.users : snapshot.groups).get(name),
    queuedCount: (quotaHolder: QuotaHolderName) => queued.get(quotaHolder) ?? 0,
    scores,
  }
  return overviewOf(facts, quotaHolders)
}

/** On nodes that queue jobs themselves, jobs that have not begun take nothing of what the node runs at once. */
function largestFree(nodes: readonly PlanNode[], active: readonly ActiveJob[]): readonly Capacity[] {
  const free = new Map(nodes.map((node) => [node.name, sizeOfOffer({ ...node, ...node.largestJob })]))
  const splits = nodes.some(({ largestJob }) => largestJob !== undefined)
  for (const { node, needs, isStarting } of active) {
    const left = free.get(node)
    if (left !== undefined && !(splits && isStarting === true)) free.set(node, minus(left, sizeOfRequest(needs)))
  }
  return largestOf([...free.values()]).map(capacityOf)
}

function quotaHolderView(quotaHolder: QuotaHolderName, facts: OverviewFacts): QueueOverview['holders'][number] {
  const { active, usage, policy, now } = facts
  const { kind, name } = quotaHolder
  const jobs = active.filter((job) => isOf(job, quotaHolder))
  const { offPeak, ...always } = { ...policy.limits[kind], ...facts.settingsOf(quotaHolder)?.limits }
  return {
    kind,
    name,
    holds: { ...sumOf(jobs), running: jobs.length, queued: facts.queuedCount(quotaHolder) },
    limits: { ...always, ...(offPeak === undefined ? {} : { offPeak }) },
    coreHours: usage
      .filter((each) => isOf(each, quotaHolder))
      .reduce((sum, each) => sum + decayed(each, now, policy.halfLifeHours), 0),
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
