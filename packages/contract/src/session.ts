import Type, { type Static } from 'typebox'
import { causeCodes } from './causes.ts'

const WireTime = Type.String({ format: 'date-time', examples: ['2026-11-23T08:37:45Z'] })

/** A job on the skaha wire (wire contract 1.6). Numbers are strings; unknown fields are absent. */
export const SessionRecord = Type.Object(
  {
    id: Type.String({ examples: ['k3x9a0qz'] }),
    userid: Type.String(),
    runAsUID: Type.String({ description: 'Decimal digits; empty for a deleted user.' }),
    runAsGID: Type.String(),
    supplementalGroups: Type.Array(Type.Integer()),
    image: Type.String(),
    type: Type.String(),
    status: Type.String(),
    name: Type.String(),
    startTime: Type.Optional(WireTime),
    expiryTime: Type.Optional(WireTime),
    connectURL: Type.String({ description: 'Empty for headless sessions.' }),
    requestedRAM: Type.Optional(Type.String({ description: 'Decimal gigabytes without unit; only when fixed.' })),
    requestedCPUCores: Type.Optional(Type.String()),
    requestedGPUCores: Type.String(),
    ramInUse: Type.Optional(Type.String({ description: 'Decimal gigabytes without unit, while the job runs.' })),
    cpuCoresInUse: Type.Optional(Type.String()),
    isFixedResources: Type.Boolean(),
    exitCode: Type.Optional(
      Type.Integer({ description: 'Extension of this platform; the published clients ignore it.' }),
    ),
    cause: Type.Optional(
      Type.Object(
        {
          code: Type.Enum([...causeCodes]),
          message: Type.String(),
          hint: Type.Optional(Type.String()),
          remarks: Type.Optional(Type.Array(Type.String())),
        },
        { description: 'Extension: why the job ended.' },
      ),
    ),
    reason: Type.Optional(Type.String({ description: 'Extension: why the job waits.' })),
  },
  { $id: 'SessionRecord' },
)
export type SessionRecord = Static<typeof SessionRecord>

/** A session in `view=all`, which every user may read (wire contract 1.6). */
export const SessionGlimpse = Type.Object(
  { userid: Type.String(), type: Type.String(), status: Type.String(), startTime: Type.Optional(WireTime) },
  { $id: 'SessionGlimpse' },
)
export type SessionGlimpse = Static<typeof SessionGlimpse>

/** Capacity of the platform, and how much of it is in use (wire contract 1.7). */
export const PlatformStats = Type.Object(
  {
    cores: Type.Object({
      requestedCPUCores: Type.Number(),
      cpuCoresAvailable: Type.Number(),
      maxCPUCores: Type.Object({ cpuCores: Type.Number(), withRam: Type.String() }),
    }),
    ram: Type.Object({
      requestedRAM: Type.String(),
      ramAvailable: Type.String(),
      maxRAM: Type.Object({ ram: Type.String(), withCPUCores: Type.Number() }),
    }),
  },
  { $id: 'PlatformStats' },
)
export type PlatformStats = Static<typeof PlatformStats>

const Offer = Type.Object({
  default: Type.Integer(),
  defaultRequest: Type.Integer(),
  defaultLimit: Type.Integer(),
  options: Type.Array(Type.Integer()),
})

/** Sizes on offer (wire contract 1.7). */
export const PlatformContext = Type.Object(
  {
    cores: Offer,
    memoryGB: Offer,
    gpus: Type.Object({ options: Type.Array(Type.Integer()) }),
    maxInteractiveSessions: Type.Integer(),
  },
  { $id: 'PlatformContext' },
)
export type PlatformContext = Static<typeof PlatformContext>

/** An image that the platform offers (wire contract 1.7). */
export const ImageRecord = Type.Object(
  { id: Type.String(), types: Type.Array(Type.String()), digest: Type.String() },
  { $id: 'ImageRecord' },
)
export type ImageRecord = Static<typeof ImageRecord>
