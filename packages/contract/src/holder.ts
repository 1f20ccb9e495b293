import Type, { type Static } from 'typebox'
import { Instant } from './instant.ts'

const Closed = { additionalProperties: false } as const
const amount = { minimum: 0, maximum: 1e9 } as const

const held = {
  cores: Type.Optional(Type.Number({ ...amount, description: 'Cores allocated at once.' })),
  memoryGb: Type.Optional(Type.Number({ ...amount, description: 'GiB of memory allocated at once.' })),
  gpus: Type.Optional(Type.Integer({ ...amount, description: 'GPUs allocated at once.' })),
  running: Type.Optional(Type.Integer({ ...amount, description: 'Starting, running and stopping jobs at once.' })),
}

/** The limits of a user or group. A field left out means no limit; zero admits nothing. */
export const Limits = Type.Object(
  {
    ...held,
    queued: Type.Optional(Type.Integer({ ...amount, description: 'Waiting jobs.' })),
    offPeak: Type.Optional(
      Type.Object(held, { ...Closed, description: 'Limits of the off-peak hours, which replace single fields.' }),
    ),
  },
  { ...Closed, $id: 'Limits' },
)
export type Limits = Static<typeof Limits>

/** Settings of one user or group, by an administrator. */
export const HolderSettings = Type.Object(
  {
    weight: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1e6,
        description: 'Weight of the share relative to others. Default: 1. Zero: no points for the share.',
      }),
    ),
    limits: Type.Optional(Limits),
  },
  { ...Closed, minProperties: 1, $id: 'HolderSettings' },
)
export type HolderSettings = Static<typeof HolderSettings>

/** Kinds of quota holders. */
export const holderKinds = ['user', 'group'] as const
/** One of {@link holderKinds}. */
export type HolderKind = (typeof holderKinds)[number]

/** A quota holder: a user or group with settings of its own. */
export const Holder = Type.Object(
  {
    kind: Type.Enum([...holderKinds]),
    name: Type.String(),
    weight: Type.Optional(Type.Number()),
    limits: Limits,
    setAt: Instant,
  },
  { $id: 'Holder' },
)
export type Holder = Static<typeof Holder>

/** Default limits from the configuration, and users and groups with settings of their own. */
export const HolderList = Type.Object(
  {
    defaults: Type.Object(
      { user: Limits, group: Limits },
      { description: 'Limits of every user, and of every group.' },
    ),
    holders: Type.Array(Type.Ref('Holder'), { description: 'Users and groups with settings of their own.' }),
  },
  { $id: 'HolderList' },
)
export type HolderList = { defaults: { user: Limits; group: Limits }; holders: Holder[] }
