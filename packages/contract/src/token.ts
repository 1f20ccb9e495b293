import Type, { type Static } from 'typebox'
import { Instant } from './instant.ts'
import { limits } from './limits.ts'
import { scopes } from './scopes.ts'

const Closed = { additionalProperties: false } as const

const Scopes = Type.Array(Type.Enum([...scopes]), { minItems: 1, uniqueItems: true })

const shape = {
  id: Type.String({ description: 'Id of the token; not its secret.', examples: ['6fk0w2m9x1ap'] }),
  prefix: Type.String({ description: 'Prefix of the token, to tell tokens apart.', examples: ['sp_e6kjmf'] }),
  name: Type.String({ description: 'Name to recognise the token by.' }),
  scopes: Type.Array(Type.Enum([...scopes])),
  createdAt: Instant,
  expiresAt: Type.Optional(Instant),
  lastUsedAt: Type.Optional(Instant),
  revokedAt: Type.Optional(Instant),
  madeWith: Type.Optional(Type.String({ description: 'Id of the token that created this token. Both end together.' })),
  jobId: Type.Optional(Type.String({ description: 'The job that has this token. The token ends with the job.' })),
  current: Type.Optional(Type.Literal(true, { description: 'This token made the request.' })),
}

/** A token without its secret. */
export const Token = Type.Object(shape, { $id: 'Token' })
export type Token = Static<typeof Token>

/** The caller's tokens, oldest first. */
export const Tokens = Type.Object({ tokens: Type.Array(Type.Ref('Token')) }, { $id: 'Tokens' })
export type Tokens = { tokens: Token[] }

/** A new token with its secret. */
export const NewToken = Type.Object(
  { ...shape, token: Type.String({ description: 'The token itself. Only this answer holds it.' }) },
  { $id: 'NewToken' },
)
export type NewToken = Static<typeof NewToken>

const Name = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'Name to recognise the token by.',
  examples: ['laptop'],
})

const Seconds = Type.Integer({ minimum: 0, maximum: limits.tokenSeconds })

/** A token to create. It has at most the scopes of the token of the request, and ends with that token. */
export const TokenRequest = Type.Object(
  {
    name: Type.Optional(Name),
    scopes: Type.Optional({
      ...Scopes,
      description: 'Default: the scopes read, submit and manage that the token of the request has.',
    }),
    expiresInSeconds: Type.Optional({
      ...Seconds,
      minimum: 1,
      description: 'Default: until the token of the request expires.',
    }),
  },
  { ...Closed, $id: 'TokenRequest' },
)
export type TokenRequest = Static<typeof TokenRequest>

/** Options of a rotation. */
export const RotateRequest = Type.Object(
  {
    overlapSeconds: Type.Optional({
      ...Seconds,
      description: 'Seconds for which the old token stays valid. Default: 0.',
    }),
  },
  { ...Closed, $id: 'RotateRequest' },
)
export type RotateRequest = Static<typeof RotateRequest>
