import type { Capacity } from '../../job/resources.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { ActiveJob, Usage } from '../cache/snapshot.ts'

const hourMs = 3_600_000

/** The cores that a job is charged while it has an allocation: the most of its cores, memory and GPUs, each in cores. */
export const chargedCores = ({ cores, memoryGb, gpus }: Capacity, { charge }: Pick<Policy, 'charge'>): number =>
  Math.max(cores, memoryGb / charge.memoryGbPerCore, gpus * charge.coresPerGpu)

/** Usage as it counts later: half after every half-life. Undiminished where the clock was set back. */
export const decayed = (
  { coreHours, at }: Pick<Usage, 'coreHours' | 'at'>,
  now: number,
  halfLifeHours: number,
): number => (now <= at ? coreHours : coreHours * 2 ** (-(now - at) / (halfLifeHours * hourMs)))

/** Hours between two instants as they are charged: less where they are off-peak. */
export function chargedHours(
  from: number,
  to: number,
  policy: Pick<Policy, 'offPeakCharge'>,
  offPeak: OffPeakHours | undefined,
): number {
  const ms = Math.max(0, to - from)
  const discount = offPeak === undefined || ms === 0 ? 0 : offPeak.between(from, to) * (1 - policy.offPeakCharge)
  return (ms - discount) / hourMs
}

/**
 * The usage that follows when a job ends: the usage before, decayed, and the job's core-hours from its placement to its end. A job
 * counts in full while it runs and decays from its end on.
 */
export function usageAfter(
  before: Usage | undefined,
  ended: Pick<ActiveJob, 'user' | 'group' | 'needs' | 'placedAt'> & { readonly endedAt: number },
  policy: Policy,
  offPeak: OffPeakHours | undefined,
): Usage {
  const at = Math.max(ended.endedAt, before?.at ?? 0)
  const hours = chargedHours(ended.placedAt, ended.endedAt, policy, offPeak)
  const past = before === undefined ? 0 : decayed(before, at, policy.halfLifeHours)
  return {
    user: ended.user,
    ...(ended.group === undefined ? {} : { group: ended.group }),
    coreHours: past + hours * chargedCores(ended.needs, policy),
    at,
  }
}
