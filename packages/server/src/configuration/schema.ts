import { networks } from '@science-platform/contract'
import Type, { type Static } from 'typebox'
import { weekdays } from './policy/policy.ts'
import { KubernetesKeys } from './kubernetes-keys.ts'

const Closed = { additionalProperties: false } as const
const Hosts = Type.Array(Type.String({ minLength: 1 }))

/** A rate limit: a burst of requests, then so many a second. */
const Allowance = (preset: { readonly perSecond: number; readonly burst: number }) =>
  Type.Object(
    {
      perSecond: Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000, default: preset.perSecond }),
      burst: Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: preset.burst }),
    },
    { ...Closed, default: {} },
  )
const number = Type.Optional(Type.Number())

/** Limits of a user or group. `configuration/policy/policy-of.ts` validates the numbers. */
const heldLimits = { cores: number, memoryGb: number, gpus: number, running: number }
const limits = { ...heldLimits, queued: number, offPeak: Type.Optional(Type.Object(heldLimits, Closed)) }

const Weekdays = Type.Array(Type.Enum([...weekdays]))
const Size = Type.Object({ cores: Type.Number(), memoryGb: Type.Number() }, Closed)

/** Rules of the queue, all optional. `configuration/policy/policy-of.ts` has the defaults and validates them. */
const Queue = Type.Optional(
  Type.Object(
    {
      offPeak: Type.Optional(
        Type.Object(
          {
            days: Weekdays,
            from: Type.String(),
            to: Type.String(),
            weekends: Type.Union([Type.Boolean(), Weekdays], { default: true }),
            timezone: Type.String(),
          },
          Closed,
        ),
      ),
      classes: Type.Optional(Type.Object({ small: Type.Optional(Size), large: Type.Optional(Size) }, Closed)),
      points: Type.Optional(
        Type.Object(
          {
            class: Type.Optional(
              Type.Object({ small: Type.Number(), normal: Type.Number(), large: Type.Number() }, Closed),
            ),
            groupShare: number,
            userShare: number,
            deadline: number,
          },
          Closed,
        ),
      ),
      halfLifeHours: number,
      charge: Type.Optional(Type.Object({ memoryGbPerCore: number, coresPerGpu: number }, Closed)),
      offPeakCharge: number,
      backfill: Type.Optional(
        Type.Object(
          {
            reservations: number,
            reserveAfterSeconds: number,
            confidence: number,
            maxDelaySeconds: number,
            safety: number,
          },
          Closed,
        ),
      ),
    },
    Closed,
  ),
)

/** The configuration file. Keys never change their name or meaning. `docs/configuration.md` explains them. */
export const FileConfig = Type.Object(
  {
    listen: Type.String({ pattern: '^(.+):([0-9]{1,5})$', default: '127.0.0.1:8080' }),
    publicUrl: Type.Optional(Type.String({ pattern: '^https?://[^/]+$' })),
    dataDir: Type.String({ minLength: 1 }),
    trustedProxies: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    executor: Type.Enum(['oci', 'kubernetes'], { default: 'oci' }),
    kubernetes: KubernetesKeys,
    capacity: Type.Optional(
      Type.Object(
        {
          cores: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 4096 })),
          memoryGb: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 65536 })),
          gpus: Type.Optional(Type.Integer({ minimum: 0, maximum: 64 })),
          gpuKind: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' })),
        },
        Closed,
      ),
    ),
    images: Type.Object(
      {
        registries: Type.Optional(Hosts),
        aliases: Type.Optional(Type.Record(Type.String(), Type.String({ minLength: 1 }))),
        insecure: Type.Optional(Hosts),
        tokenHosts: Type.Optional(Type.Record(Type.String(), Hosts)),
        refreshMinutes: Type.Number({ minimum: 1, maximum: 10_080, default: 30 }),
        storeGb: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1_048_576 })),
        waitSeconds: Type.Number({ minimum: 0, maximum: 604_800, default: 600 }),
      },
      { ...Closed, default: {} },
    ),
    log: Type.Object({ format: Type.Optional(Type.Enum(['text', 'json'])) }, { ...Closed, default: {} }),
    metrics: Type.Object(
      { listen: Type.Optional(Type.String({ pattern: '^(.+):([0-9]{1,5})$' })) },
      { ...Closed, default: {} },
    ),
    network: Type.Object(
      {
        default: Type.Optional(Type.Enum([...networks])),
        allowed: Type.Optional(Type.Array(Type.Enum([...networks]))),
      },
      { ...Closed, default: {} },
    ),
    jobs: Type.Object({ umask: Type.Optional(Type.String({ pattern: '^0?[0-7]{3}$' })) }, { ...Closed, default: {} }),
    limits: Type.Object(
      {
        interactive: Type.Integer({ minimum: 0, default: 5 }),
        logMb: Type.Integer({ minimum: 1, maximum: 1_048_576, default: 64 }),
        processes: Type.Integer({ minimum: 16, maximum: 4_194_304, default: 4096 }),
        requests: Type.Object(
          {
            reads: Allowance({ perSecond: 200, burst: 4000 }),
            changes: Allowance({ perSecond: 100, burst: 4000 }),
            unauthenticated: Allowance({ perSecond: 10, burst: 1000 }),
          },
          { ...Closed, default: {} },
        ),
        user: Type.Object({ ...limits, queued: Type.Number({ default: 100_000 }) }, { ...Closed, default: {} }),
        group: Type.Object(limits, { ...Closed, default: {} }),
      },
      { ...Closed, default: {} },
    ),
    queue: Queue,
    retention: Type.Object(
      {
        logsDays: Type.Number({ exclusiveMinimum: 0, default: 365 }),
        jobsDays: Type.Number({ exclusiveMinimum: 0, default: 365 }),
        sessionsHours: Type.Number({ minimum: 1, default: 24 }),
        changesDays: Type.Number({ exclusiveMinimum: 0, default: 7 }),
        auditDays: Type.Number({ exclusiveMinimum: 0, default: 730 }),
      },
      { ...Closed, default: {} },
    ),
  },
  Closed,
)
export type FileConfig = Static<typeof FileConfig>
