import fc from 'fast-check'
import { defaultPolicy, policyOf } from '../../configuration/policy/policy-of.ts'
import { type QuotaSettings, type LimitsByHour, type Policy, weekdays } from '../../configuration/policy/policy.ts'
import { type PlanNode, type QueuedJob, type Snapshot, type Usage } from '../cache/snapshot.ts'

/** A Monday, eight in the morning in Vancouver: office hours have just begun. */
const monday = Date.UTC(2026, 10, 23, 16)
const minute = 60_000

const anyUser = fc.constantFrom('ada', 'ada', 'ada', 'bob', 'cyd')
const anyGroup = fc.constantFrom(undefined, undefined, undefined, 'sky', 'sea')
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 3 })

/** Without the keys whose value is undefined. */
const compact = <T extends object>(value: T) =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Compact<T>
type Compact<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

export const anyNode: fc.Arbitrary<PlanNode> = fc
  .record({
    name: fc.constantFrom('n1', 'n2', 'n3', 'n4', 'n5'),
    cores: fc.constantFrom(1, 2, 4, 8, 16, 7.5),
    memoryGb: fc.constantFrom(2, 8, 16, 64, 15.5),
    gpus: fc.constantFrom(0, 0, 1, 4),
    gpuKind: fc.constantFrom(undefined, 'a100', 'h200'),
  })
  .map(compact)

const anyUnlikeJob: fc.Arbitrary<QueuedJob> = fc
  .record({
    number: fc.integer({ min: 1, max: 60 }),
    user: anyUser,
    group: anyGroup,
    needs: fc
      .record({
        cores: fc.constantFrom(1, 1, 1, 1, 1.1, 4, 16),
        memoryGb: fc.constantFrom(1, 1, 1, 1, 0.3, 8, 64),
        gpus: fc.constantFrom(0, 0, 0, 1, 1, 2),
        gpuKind: fc.constantFrom(undefined, undefined, 'a100'),
      })
      .map(compact),
    submittedAt: fc.integer({ min: -3000, max: 60 }).map((minutes) => monday + minutes * minute),
    estimateSeconds: fc.constantFrom(30, 60, 300, 3600, 100_000),
    limitSeconds: fc.constantFrom(60, 3600, 1_209_600),
    notBefore: optional(fc.integer({ min: -60, max: 120 }).map((minutes) => monday + minutes * minute)),
    by: optional(fc.constantFrom(30, 90, 2000).map((minutes) => monday + minutes * minute)),
    offPeak: fc.constantFrom(undefined, undefined, undefined, true as const),
  })
  .map(({ number, ...job }) => compact({ id: `j${number}`, seq: number, ...job }))

/** Jobs that differ in little: they share lanes, and lanes share groups. */
const anyLikeJob: fc.Arbitrary<QueuedJob> = fc
  .record({
    number: fc.integer({ min: 1, max: 60 }),
    user: fc.constantFrom('ada', 'bob'),
    minutes: fc.integer({ min: -60, max: 0 }),
    estimateSeconds: fc.constantFrom(60, 3600),
    by: optional(fc.constantFrom(30, 90).map((minutes) => monday + minutes * minute)),
  })
  .map(({ number, user, minutes, estimateSeconds, by }) =>
    compact({
      id: `j${number}`,
      seq: number,
      user,
      needs: { cores: 1, memoryGb: 1, gpus: 0 },
      submittedAt: monday + minutes * minute,
      estimateSeconds,
      limitSeconds: 3600,
      by,
    }),
  )

export const anyJob = fc.oneof(anyUnlikeJob, anyLikeJob)

const anyLimits: fc.Arbitrary<LimitsByHour> = fc
  .record({
    cores: optional(fc.constantFrom(0, 2, 8, 20)),
    memoryGb: optional(fc.constantFrom(4, 32)),
    gpus: optional(fc.constantFrom(0, 1)),
    running: optional(fc.constantFrom(0, 1, 3)),
    offPeak: optional(fc.record({ cores: fc.constantFrom(4, 40) })),
  })
  .map(compact)

/** With limits on all quota holders the properties would test little else. */
const mostlyNone = fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: anyLimits })

export const anyQuotaSettings: fc.Arbitrary<QuotaSettings> = fc
  .record({ weight: optional(fc.constantFrom(0, 0.5, 1, 10)), limits: optional(anyLimits) })
  .map(compact)

export const anyPolicy: fc.Arbitrary<Policy> = fc
  .record({
    limits: fc.record({ user: mostlyNone, group: mostlyNone }),
    reservations: fc.constantFrom(0, 1, 1, 4),
    halfLifeHours: fc.constantFrom(1, 168),
    offPeak: fc.option(
      fc.record({
        days: fc.constant(['mon', 'tue', 'wed', 'thu', 'fri'] as const),
        from: fc.constantFrom('18:00', '08:30'),
        to: fc.constantFrom('08:00', '12:00'),
        weekends: fc.oneof(fc.boolean(), fc.subarray([...weekdays])),
        timezone: fc.constant('America/Vancouver'),
      }),
      { nil: undefined },
    ),
  })
  .map(({ limits, reservations, halfLifeHours, offPeak }) =>
    policyOf({
      limits,
      halfLifeHours,
      backfill: { ...defaultPolicy.backfill, reservations },
      ...(offPeak === undefined ? {} : { offPeak }),
    }),
  )

export const anyUsage: fc.Arbitrary<Usage> = fc
  .record({
    user: anyUser,
    group: anyGroup,
    coreHours: fc.constantFrom(0, 0.1, 30, 5000),
    at: fc.integer({ min: -3000, max: 0 }).map((minutes) => monday + minutes * minute),
  })
  .map(compact)

const unique = <T>(items: fc.Arbitrary<T>, key: (item: T) => string, maxLength: number) =>
  fc.uniqueArray(items, { selector: key, maxLength })

/** A snapshot in which nothing runs yet. */
export const anySnapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    policy: anyPolicy,
    nodes: unique(anyNode, ({ name }) => name, 5),
    queued: unique(anyJob, ({ id }) => id, 40),
    usage: unique(anyUsage, ({ user, group }) => `${user} ${group ?? ''}`, 6),
    ada: fc.option(anyQuotaSettings, { nil: undefined }),
    sky: fc.option(anyQuotaSettings, { nil: undefined }),
  })
  .map(({ ada, sky, ...rest }) => ({
    now: monday,
    ...rest,
    active: [],
    users: new Map(ada === undefined ? [] : [['ada', ada]]),
    groups: new Map(sky === undefined ? [] : [['sky', sky]]),
    served: new Map(),
    reservations: [],
  }))
