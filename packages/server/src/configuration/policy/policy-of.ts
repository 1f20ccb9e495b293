import { InvalidPolicy } from './invalid-policy.ts'
import { OffPeakHours } from './off-peak.ts'
import type { Holder, Limits, LimitsByHour, Policy } from './policy.ts'

/** The default rules. */
export const defaultPolicy: Policy = {
  classes: { small: { cores: 4, memoryGb: 16 }, large: { cores: 16, memoryGb: 64 } },
  points: { class: { small: 12, normal: 6, large: 0 }, groupShare: 12, userShare: 12, deadline: 6 },
  halfLifeHours: 168,
  charge: { memoryGbPerCore: 4, coresPerGpu: 16 },
  offPeakCharge: 0.5,
  backfill: { reservations: 4, safety: 1.5, maxDelaySeconds: 14_400 },
  limits: { user: {}, group: {} },
}

/** Configured rules; omitted ones have their defaults. */
export type PartialPolicy = { readonly [K in keyof Policy]?: Policy[K] extends object ? Parts<Policy[K]> : Policy[K] }
type Parts<T> = { readonly [K in keyof T]?: T[K] }

/**
 * Completes rules with defaults and validates them.
 * @throws {InvalidPolicy}
 */
export function policyOf(given: PartialPolicy): Policy {
  const policy: Policy = {
    classes: { ...defaultPolicy.classes, ...given.classes },
    points: { ...defaultPolicy.points, ...given.points },
    halfLifeHours: given.halfLifeHours ?? defaultPolicy.halfLifeHours,
    charge: { ...defaultPolicy.charge, ...given.charge },
    offPeakCharge: given.offPeakCharge ?? defaultPolicy.offPeakCharge,
    backfill: { ...defaultPolicy.backfill, ...given.backfill },
    limits: { ...defaultPolicy.limits, ...given.limits },
    ...(given.offPeak === undefined ? {} : { offPeak: given.offPeak }),
  }
  for (const [name, { cores, memoryGb }] of Object.entries(policy.classes)) {
    within(`classes.${name}.cores`, cores, { least: 0, most: 1e6 })
    within(`classes.${name}.memoryGb`, memoryGb, { least: 0, most: 1e9 })
  }
  const { small, large } = policy.classes
  if (small.cores >= large.cores || small.memoryGb >= large.memoryGb)
    throw new InvalidPolicy('classes', 'small is not below large', 'Use smaller numbers for small than for large.')
  const { class: classPoints, ...otherPoints } = policy.points
  for (const [name, value] of [
    ...Object.entries(classPoints).map(([n, v]) => [`class.${n}`, v] as const),
    ...Object.entries(otherPoints),
  ])
    within(`points.${name}`, value, { least: 0, most: 8760 })
  within(
    'halfLifeHours',
    policy.halfLifeHours,
    { least: 0.001, most: 87_600 },
    'A short one such as 1 makes usage count for a short time.',
  )
  within('charge.memoryGbPerCore', policy.charge.memoryGbPerCore, { least: 0.001, most: 1e6 })
  within('charge.coresPerGpu', policy.charge.coresPerGpu, { least: 0, most: 1e4 })
  within('offPeakCharge', policy.offPeakCharge, { least: 0, most: 10 })
  within('backfill.reservations', policy.backfill.reservations, { least: 0, most: 1000, whole: true })
  within('backfill.safety', policy.backfill.safety, { least: 1, most: 100 })
  within('backfill.maxDelaySeconds', policy.backfill.maxDelaySeconds, { least: 0, most: 31_536_000 })
  requireLimits('user', policy.limits.user)
  requireLimits('group', policy.limits.group)
  if (policy.offPeak !== undefined) new OffPeakHours(policy.offPeak)
  return policy
}

/** Validates the settings of a user or group. @throws {InvalidPolicy} */
export function requireHolder(name: string, { weight, limits }: Holder): void {
  if (weight !== undefined) within(`${name}.weight`, weight, { least: 0, most: 1e6 })
  if (limits !== undefined) requireLimits(name, limits)
}

function requireLimits(key: string, { offPeak, ...limits }: LimitsByHour): void {
  for (const [name, value] of Object.entries(limits) as [keyof Limits, number][]) {
    const whole = name === 'gpus' || name === 'running' || name === 'queued'
    within(`${key}.${name}`, value, { least: 0, most: 1e9, whole }, 'Omit it for no limit.')
  }
  if (offPeak !== undefined) requireLimits(`${key}.offPeak`, offPeak)
}

function within(
  key: string,
  value: number,
  { least, most, whole = false }: { readonly least: number; readonly most: number; readonly whole?: boolean },
  hint = '',
): void {
  if (typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value))) return
  const kind = whole ? 'a whole number' : 'a number'
  throw new InvalidPolicy(key, `it is ${value}`, `Use ${kind} from ${least} to ${most}. ${hint}`.trim())
}
