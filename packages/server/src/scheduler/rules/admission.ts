import type { StoredJob } from '../../job/job.ts'
import { InvalidRequest } from '../../job/invalid.ts'
import type { StoredHolder } from '../../store/store.ts'
import { couldEverFit, couldNeverStart } from './feasibility.ts'
import { limitsOf } from '../cache/ledger.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import { needsOf } from '../cache/planned-job.ts'
import type { Holder, Policy } from '../../configuration/policy/policy.ts'
import type { LimitHit, Needs, PlanNode } from '../cache/snapshot.ts'

/** Who would hold a job. */
export interface HolderName {
  readonly kind: StoredHolder['kind']
  readonly name: string
}

/** Who holds a job: its user, and the group it is charged to. */
export const holdersOf = ({ owner, group }: Pick<StoredJob, 'owner' | 'group'>): readonly HolderName[] => [
  { kind: 'user', name: owner },
  ...(group === undefined ? [] : [{ kind: 'group', name: group } as const]),
]

/**
 * Refuses jobs that nothing could ever let start: no node, even when empty, or no limit, at any hour at which they may. Pure.
 * @throws {InvalidRequest} naming the field and what would do.
 */
export function requirePossible(
  job: Pick<StoredJob, 'owner' | 'group' | 'resources' | 'gpuKind' | 'when'>,
  {
    nodes,
    policy,
    offPeak,
    setFor,
  }: {
    readonly nodes: readonly PlanNode[]
    readonly policy: Policy
    readonly offPeak: OffPeakHours | undefined
    readonly setFor: (holder: HolderName) => Holder | undefined
  },
): void {
  const needs = needsOf(job)
  if (needs.gpuKind !== undefined && needs.gpus === 0)
    throw new InvalidRequest(
      'gpuKind',
      `gpuKind is ${needs.gpuKind}, but no GPU is asked for`,
      'Give gpus too, or leave gpuKind out.',
    )
  // A platform whose nodes are all away just now may have them back soon.
  if (nodes.length > 0 && !couldEverFit(needs, nodes)) throw fitsNoNode(needs, nodes)
  const times = (offPeak?.times ?? [false]).filter((isOffPeak) => isOffPeak || job.when === undefined)
  if (times.length === 0)
    throw new InvalidRequest(
      'when',
      'when is off-peak, but this platform has no off-peak hours',
      'Leave when out.',
      'never-fits',
    )
  for (const holder of holdersOf(job)) {
    const whose = { holder: holder.kind, name: holder.name, set: setFor(holder) }
    const hit = couldNeverStart(needs, whose, policy.limits[holder.kind], times)
    if (hit !== undefined) throw overLimit(hit, holder, job.when)
  }
}

function overLimit({ on, limit, asks }: LimitHit, holder: HolderName, when: StoredJob['when']): InvalidRequest {
  const then = when === undefined ? '' : ` ${when}`
  const [field, message] =
    on === 'running'
      ? ['name', `no job of ${whoseText(holder)} may run${then}`]
      : [on, `${on} is ${asks}, but ${whoseText(holder)} may hold at most ${limit} ${units[on]} at once${then}`]
  const less = on === 'running' ? '' : limit === 0 ? `Leave ${on} out, or ask` : `Ask for at most ${limit}, or ask`
  return new InvalidRequest(field, message, `${less || 'Ask'} an administrator for more.`, 'never-fits')
}

/**
 * Refuses jobs that are more than their user or group may have waiting. Pure.
 * @throws {InvalidRequest} `queue-full`
 */
export function requireRoom(
  job: Pick<StoredJob, 'owner' | 'group'>,
  count: number,
  {
    policy,
    setFor,
    waiting,
  }: {
    readonly policy: Policy
    readonly setFor: (holder: HolderName) => Holder | undefined
    readonly waiting: (holder: HolderName) => number
  },
): void {
  for (const holder of holdersOf(job)) {
    const { queued } = limitsOf(policy.limits[holder.kind], setFor(holder)?.limits, false)
    const there = waiting(holder)
    if (queued === undefined || there + count <= queued) continue
    throw new InvalidRequest(
      'replicas',
      `${there} jobs of ${whoseText(holder)} wait already; with ${count} more there would be more than the ${queued} that may`,
      there < queued
        ? `Submit at most ${queued - there} now, the rest when some have started.`
        : 'Submit again when some have started.',
      'queue-full',
    )
  }
}

const units = { cores: 'cores', memoryGb: 'GiB of memory', gpus: 'GPUs' } as const

const whoseText = ({ kind, name }: HolderName): string => (kind === 'user' ? name : `the group ${name}`)

/** Which of what is asked for together is too much: each alone some node may have. */
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
