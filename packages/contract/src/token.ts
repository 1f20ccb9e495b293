import Type, { type Static } from 'typebox'
import { Instant } from './instant.ts'
import { limits } from './limits.ts'
import { scopes } from './scopes.ts'

const Closed = { additionalProperties: false } as const

const Scopes = Type.Array(Type.Enum([...scopes]), { minItems: 1, uniqueItems: true })

const shape = {
  id: Type.String({ description: 'Names it; tells nothing about it.', examples: ['6fk0w2m9x1ap'] }),
  prefix: Type.String({ description: 'Its beginning, for you to tell tokens apart.', examples: ['sp_e6kjmf'] }),
  name: Type.String({ description: 'What it is for.' }),
  scopes: Type.Array(Type.Enum([...scopes])),
  createdAt: Instant,
  expiresAt: Type.Optional(Instant),
  lastUsedAt: Type.Optional(Instant),
  revokedAt: Type.Optional(Instant),
  madeWith: Type.Optional(Type.String({ description: 'The id of the token that it was made with, and ends with.' })),
  jobId: Type.Optional(Type.String({ description: 'The job that carries it, and with which it ends.' })),
  current: Type.Optional(Type.Literal(true, { description: 'It is the one that you asked with.' })),
}

/** A token without its secret. */
export const Token = Type.Object(shape, { $id: 'Token' })
export type Token = Static<typeof Token>

/** One's tokens, oldest first. */
export const Tokens = Type.Object({ tokens: Type.Array(Type.Ref('Token')) }, { $id: 'Tokens' })
export type Tokens = { tokens: Token[] }

/** A token at the moment it is made. */
export const NewToken = Type.Object(
  { ...shape, token: Type.String({ description: 'The token itself. It is shown this once.' }) },
  { $id: 'NewToken' },
)
export type NewToken = Static<typeof NewToken>

const Name = Type.String({ minLength: 1, maxLength: 100, description: 'What it is for.', examples: ['laptop'] })

const Seconds = Type.Integer({ minimum: 0, maximum: limits.tokenSeconds })

/** A token to be made. It can do no more than the one it is made with, and ends with it. */
export const TokenRequest = Type.Object(
  {
    name: Type.Optional(Name),
    scopes: Type.Optional({ ...Scopes, description: 'Default: those of read, submit and manage that yours has.' }),
    expiresInSeconds: Type.Optional({ ...Seconds, minimum: 1, description: 'Default: when the one you use expires.' }),
  },
  { ...Closed, $id: 'TokenRequest' },
)
export type TokenRequest = Static<typeof TokenRequest>

/** How a token is to be replaced by a new one. */
export const RotateRequest = Type.Object(
  {
    overlapSeconds: Type.Optional({
      ...Seconds,
      description: 'How long the old one is good beside the new one. Default: 0.',
    }),
  },
  { ...Closed, $id: 'RotateRequest' },
)
export type RotateRequest = Static<typeof RotateRequest>
