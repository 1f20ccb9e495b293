import type { StoredJob } from '../../job/job.ts'
import { InvalidRequest } from '../../job/invalid.ts'
import { fitsSomeNode, infeasibleLimit } from './feasibility.ts'
import { type QuotaHolderName, quotaHoldersOf } from './quota-holder-name.ts'
import { limitsOf } from '../cache/quota-holder.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import { needsOf } from '../cache/planned-job.ts'
import type { QuotaSettings, Policy } from '../../configuration/policy/policy.ts'
import type { LimitHit, Needs, PlanNode } from '../cache/snapshot.ts'

/**
 * Refuses infeasible jobs: no node could hold them, even when empty, or a limit stops them at every hour at which they may start. Pure.
 * @throws {InvalidRequest} naming the field and what would do.
 */
export function requireFeasible(
  job: Pick<StoredJob, 'owner' | 'group' | 'resources' | 'gpuKind' | 'when'>,
  {
    nodes,
    policy,
    offPeak,
    settingsOf,
  }: {
    readonly nodes: readonly PlanNode[]
    readonly policy: Policy
    readonly offPeak: OffPeakHours | undefined
    readonly settingsOf: (quotaHolder: QuotaHolderName) => QuotaSettings | undefined
  },
): void {
  const needs = needsOf(job)
  if (needs.gpuKind !== undefined && needs.gpus === 0)
    throw new InvalidRequest(
      'gpuKind',
      `gpuKind is ${needs.gpuKind}, but no GPU is asked for`,
      'Give gpus too, or leave gpuKind out.',
    )
  // While all nodes are away, any job is accepted: they may come back soon.
  if (nodes.length > 0 && !fitsSomeNode(needs, nodes)) throw fitsNoNode(needs, nodes)
  const times = (offPeak?.times ?? [false]).filter((isOffPeak) => isOffPeak || job.when === undefined)
  if (times.length === 0)
    throw new InvalidRequest(
      'when',
      'when is off-peak, but this platform has no off-peak hours',
      'Leave when out.',
      'never-fits',
    )
  for (const holder of quotaHoldersOf(job)) {
    const whose = { holder: holder.kind, name: holder.name, settings: settingsOf(holder) }
    const hit = infeasibleLimit(needs, whose, policy.limits[holder.kind], times)
    if (hit !== undefined) throw overLimit(hit, holder, job.when)
  }
}

function overLimit({ on, limit, asks }: LimitHit, holder: QuotaHolderName, when: StoredJob['when']): InvalidRequest {
  const then = when === undefined ? '' : ` ${when}`
  const [field, message] =
    on === 'running'
      ? ['name', `no job of ${whoseText(holder)} may run${then}`]
      : [on, `${on} is ${asks}, but ${whoseText(holder)} may hold at most ${limit} ${units[on]} at once${then}`]
  const less = on === 'running' ? '' : limit === 0 ? `Leave ${on} out, or ask` : `Ask for at most ${limit}, or ask`
  return new InvalidRequest(field, message, `${less || 'Ask'} an administrator for more.`, 'never-fits')
}

/**
 * Refuses jobs that exceed the limit of queued jobs of their user or group. Pure.
 * @throws {InvalidRequest} `queue-full`
 */
export function requireQueueRoom(
  quotaHolder: QuotaHolderName,
  count: number,
  {
    policy,
    settingsOf,
    queuedCount,
    field,
  }: {
    readonly policy: Policy
    readonly settingsOf: (quotaHolder: QuotaHolderName) => QuotaSettings | undefined
    readonly queuedCount: number
    /** The field that makes them many. */
    readonly field: 'replicas' | 'jobs'
  },
): void {
  const { queued } = limitsOf(policy.limits[quotaHolder.kind], settingsOf(quotaHolder)?.limits, false)
  if (queued === undefined || queuedCount + count <= queued) return
  throw new InvalidRequest(
    field,
    `${queuedCount} jobs of ${whoseText(quotaHolder)} wait already; with ${count} more they would exceed the limit of ${queued}`,
    queuedCount < queued
      ? `Submit at most ${queued - queuedCount} now, the rest when some have started.`
      : 'Submit again when some have started.',
    'queue-full',
  )
}

const units = { cores: 'cores', memoryGb: 'GiB of memory', gpus: 'GPUs' } as const

const whoseText = ({ kind, name }: QuotaHolderName): string => (kind === 'user' ? name : `the group ${name}`)

/** Names what no node has together with the rest: some node may have each alone. */
function fitsNoNode({ cores, memoryGb, gpus, gpuKind }: Needs, nodes: readonly PlanNode[]): InvalidRequest {
  const kinds = [...new Set(nodes.flatMap((node) => (node.gpus > 0 ? [node.gpuKind ?? 'an unnamed kind'] : [])))]
  if (gpus > 0 && gpuKind !== undefined && !kinds.includes(gpuKind)) {
    return new InvalidRequest(
      'gpuKind',
      `gpuKind is ${gpuKind}, but there are GPUs of ${kinds.length === 0 ? 'no kind' : kinds.join(', ')} only`,
      'Leave gpuKind out, or name a kind that is there.',
      'never-fits',
    )
  }
  const able = nodes.filter((node) => cores <= node.cores && gpus <= node.gpus)
  const most = Math.max(0, ...able.map((node) => node.memoryGb))
  return new InvalidRequest(
    'memoryGb',
    `no node has ${cores} cores, ${memoryGb} GiB of memory and ${gpus} GPUs together`,
    most === 0
      ? 'Ask for fewer cores, or fewer GPUs.'
      : `With these cores and GPUs, ask for at most ${Math.floor(most)} GiB.`,
    'never-fits',
  )
}
