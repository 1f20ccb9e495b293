import Type, { type Static } from 'typebox'
import { Instant } from './instant.ts'

const Closed = { additionalProperties: false } as const
const amount = { minimum: 0, maximum: 1e9 } as const

const held = {
  cores: Type.Optional(Type.Number({ ...amount, description: 'Cores set aside at once.' })),
  memoryGb: Type.Optional(Type.Number({ ...amount, description: 'GiB of memory set aside at once.' })),
  gpus: Type.Optional(Type.Integer({ ...amount, description: 'GPUs at once.' })),
  running: Type.Optional(Type.Integer({ ...amount, description: 'Jobs that start, run or stop at once.' })),
}

/** What a user or a group may hold at once. What is left out is not limited here; zero is none at all. */
export const Limits = Type.Object(
  {
    ...held,
    queued: Type.Optional(Type.Integer({ ...amount, description: 'Jobs that wait.' })),
    offPeak: Type.Optional(
      Type.Object(held, { ...Closed, description: 'What holds instead in the off-peak hours, value by value.' }),
    ),
  },
  { ...Closed, $id: 'Limits' },
)
export type Limits = Static<typeof Limits>

/** What an administrator may set for one user or group. */
export const HolderSettings = Type.Object(
  {
    weight: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1e6,
        description: 'Their part compared with that of others. Default: 1. Zero: no points for their share.',
      }),
    ),
    limits: Type.Optional(Limits),
  },
  { ...Closed, minProperties: 1, $id: 'HolderSettings' },
)
export type HolderSettings = Static<typeof HolderSettings>

/** Users and groups hold what their jobs were given. */
export const holderKinds = ['user', 'group'] as const
/** One of {@link holderKinds}. */
export type HolderKind = (typeof holderKinds)[number]

/** What is set for one user or group. */
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

/** What the configuration says for all, and what is set for some. */
export const HolderList = Type.Object(
  {
    defaults: Type.Object({ user: Limits, group: Limits }, { description: 'Of every user, and of every group.' }),
    holders: Type.Array(Type.Ref('Holder'), { description: 'For whom something is set.' }),
  },
  { $id: 'HolderList' },
)
export type HolderList = { defaults: { user: Limits; group: Limits }; holders: Holder[] }
