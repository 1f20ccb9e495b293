import { InvalidPolicy } from './invalid-policy.ts'
import { OffPeakHours } from './off-peak.ts'
import type { QuotaSettings, Limits, LimitsByHour, Policy } from './policy.ts'

/** The default rules. */
export const defaultPolicy: Policy = {
  classes: { small: { cores: 4, memoryGb: 16 }, large: { cores: 16, memoryGb: 64 } },
  points: { class: { small: 12, normal: 6, large: 0 }, groupShare: 12, userShare: 12 },
  halfLifeHours: 168,
  charge: { memoryGbPerCore: 4, coresPerGpu: 16 },
  offPeakCharge: 0.5,
  backfill: { reservations: 2, reserveAfterSeconds: 1800, confidence: 0.95, maxDelaySeconds: 14_400 },
  limits: { user: {}, group: {} },
}

/** Configured parts of the rules; what is left out keeps its default. */
export type PartialPolicy = { readonly [K in keyof Policy]?: Policy[K] extends object ? Parts<Policy[K]> : Policy[K] }
type Parts<T> = { readonly [K in keyof T]?: T[K] }

/**
 * The rules with defaults filled in.
 * @throws {InvalidPolicy} where a value is outside its range.
 */
export function policyOf(given: PartialPolicy): Policy {
  // `points.deadline` and `backfill.safety` of older configurations are accepted and have no effect (docs/decisions/0007, 0015).
  const { reservations, reserveAfterSeconds, confidence, maxDelaySeconds } = {
    ...defaultPolicy.backfill,
    ...given.backfill,
  }
  const { class: classPoints, groupShare, userShare } = { ...defaultPolicy.points, ...given.points }
  const policy: Policy = {
    classes: { ...defaultPolicy.classes, ...given.classes },
    points: { class: classPoints, groupShare, userShare },
    halfLifeHours: given.halfLifeHours ?? defaultPolicy.halfLifeHours,
    charge: { ...defaultPolicy.charge, ...given.charge },
    offPeakCharge: given.offPeakCharge ?? defaultPolicy.offPeakCharge,
    backfill: { reservations, reserveAfterSeconds, confidence, maxDelaySeconds },
    limits: { ...defaultPolicy.limits, ...given.limits },
    ...(given.offPeak === undefined ? {} : { offPeak: given.offPeak }),
  }
  for (const [name, { cores, memoryGb }] of Object.entries(policy.classes)) {
    within(`classes.${name}.cores`, cores, { least: 0, most: 1e6 })
    within(`classes.${name}.memoryGb`, memoryGb, { least: 0, most: 1e9 })
  }
  const { small, large } = policy.classes
  if (small.cores >= large.cores || small.memoryGb >= large.memoryGb)
    throw new InvalidPolicy('classes', 'a small job may be as large as a large one', 'Let small end below large.')
  for (const [name, value] of Object.entries(classPoints))
    within(`points.class.${name}`, value, { least: 0, most: 8760 })
  within('points.groupShare', groupShare, { least: 0, most: 8760 })
  within('points.userShare', userShare, { least: 0, most: 8760 })
  within(
    'halfLifeHours',
    policy.halfLifeHours,
    { least: 0.001, most: 87_600 },
    'With a short one, 1 for example, usage counts little soon.',
  )
  within('charge.memoryGbPerCore', policy.charge.memoryGbPerCore, { least: 0.001, most: 1e6 })
  within('charge.coresPerGpu', policy.charge.coresPerGpu, { least: 0, most: 1e4 })
  within('offPeakCharge', policy.offPeakCharge, { least: 0, most: 10 })
  within('backfill.reservations', policy.backfill.reservations, { least: 0, most: 1000, whole: true })
  within('backfill.reserveAfterSeconds', policy.backfill.reserveAfterSeconds, { least: 0, most: 31_536_000 })
  within('backfill.confidence', policy.backfill.confidence, { least: 0.5, most: 0.999 })
  within('backfill.maxDelaySeconds', policy.backfill.maxDelaySeconds, { least: 0, most: 31_536_000 })
  requireLimits('user', policy.limits.user)
  requireLimits('group', policy.limits.group)
  if (policy.offPeak !== undefined) new OffPeakHours(policy.offPeak)
  return policy
}

/** @throws {InvalidPolicy} where a setting of a quota holder is outside its range. */
export function requireQuotaSettings(name: string, { weight, limits }: QuotaSettings): void {
  if (weight !== undefined) within(`${name}.weight`, weight, { least: 0, most: 1e6 })
  if (limits !== undefined) requireLimits(name, limits)
}

function requireLimits(key: string, { offPeak, ...limits }: LimitsByHour): void {
  for (const [name, value] of Object.entries(limits) as [keyof Limits, number][]) {
    const whole = name === 'gpus' || name === 'running' || name === 'queued'
    within(`${key}.${name}`, value, { least: 0, most: 1e9, whole }, 'Leave it out for no limit.')
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
