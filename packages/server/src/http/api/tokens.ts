import { NewToken, RotateRequest, Token, TokenRequest, Tokens, type Scope } from '@science-platform/contract'
import Type from 'typebox'
import type { Authenticator, Caller } from '../../access/authenticate.ts'
import { isScope } from '../../access/scopes.ts'
import { mayRotate, successorOf, tokenMadeBy } from '../../access/token-rules.ts'
import { newToken } from '../../lib/secrets/token-text.ts'
import { shown } from '../../job/invalid.ts'
import type { StoredToken } from '../../store/store.ts'
import { callerOf } from '../server/guard.ts'
import { instant } from '../views/job-view.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { Problem } from '../server/problem.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

const TokenAddress = Type.Object({ id: Type.String({ description: 'The id of a token.', examples: ['6fk0w2m9x1ap'] }) })

/** `/tokens`: create, list, rotate and revoke the caller's tokens. */
export function tokenRoutes(
  app: ApiServer,
  { store, now }: Pick<Dependencies, 'store' | 'now'>,
  authenticator: Pick<Authenticator, 'forget'>,
): void {
  for (const schema of [NewToken, RotateRequest, Token, TokenRequest, Tokens]) app.addSchema(schema)
  app.get(
    '/tokens',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'listTokens',
        summary: 'Your tokens by their prefixes, oldest first',
        response: { 200: answer<Tokens>('Tokens', 'The tokens without their secrets'), ...problemResponses },
      },
    },
    async (request) => {
      const caller = callerOf(request)
      const tokens = await store.tokens(caller.account.name)
      return { tokens: tokens.map((token) => viewToken(token, caller)) }
    },
  )

  app.post(
    '/tokens',
    {
      config: { scope: 'manage' },
      schema: {
        operationId: 'createToken',
        summary: 'Create a token with at most the scopes of yours; it ends with yours',
        body: TokenRequest,
        response: {
          201: answer<NewToken>('NewToken', 'The token with its secret, which is shown only once'),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const made = newToken()
      const token = tokenMadeBy(caller, request.body, made, now())
      request.subject = token.prefix
      if (!(await store.addToken(token))) throw endedMeanwhile()
      return reply.code(201).send({ ...viewToken(token, caller), token: made.token })
    },
  )

  app.post(
    '/tokens/:id/rotate',
    {
      config: { scope: 'manage' },
      schema: {
        operationId: 'rotateToken',
        summary: 'Replace a token by a new one with the same scopes and expiry',
        description:
          'You may rotate the token of the request, and tokens created with it. The old token ends at once, or after an overlap.',
        params: TokenAddress,
        body: RotateRequest,
        response: {
          201: answer<NewToken>('NewToken', 'The new token with its secret, which is shown only once'),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const tokens = await store.tokens(caller.account.name)
      const old = tokenAt(tokens, request.params.id)
      if (old.jobId !== undefined || !mayRotate(caller, old, tokens)) {
        throw new Problem(
          'forbidden',
          `The token ${old.prefix}… is neither the token of the request nor was it created with that token.`,
          {
            hint: 'Send the request with that token, or revoke it and create another.',
            headers: { 'www-authenticate': 'Bearer realm="science-platform", error="insufficient_scope"' },
          },
        )
      }
      const made = newToken()
      const successor = successorOf(old, made, now())
      const endsAt = now() + (request.body.overlapSeconds ?? 0) * 1000
      if (!(await store.rotateToken(old.id, successor, endsAt))) throw endedMeanwhile()
      authenticator.forget()
      return reply.code(201).send({ ...viewToken(successor, caller), token: made.token })
    },
  )

  app.delete(
    '/tokens/:id',
    {
      config: { scope: 'manage' },
      schema: {
        operationId: 'revokeToken',
        summary: 'Revoke a token, and the tokens created with it, at once',
        description: 'A token that has already ended is unchanged.',
        params: TokenAddress,
        response: { 200: answer<Token>('Token', 'The updated token'), ...problemResponses },
      },
    },
    async (request) => {
      const caller = callerOf(request)
      const token = tokenAt(await store.tokens(caller.account.name), request.params.id)
      const revokedAt = token.revokedAt ?? now()
      await store.revokeToken(token.id, revokedAt)
      authenticator.forget()
      return viewToken({ ...token, revokedAt }, caller)
    },
  )
}

/** The token with this id. @throws {Problem} where the caller has none. */
function tokenAt(tokens: readonly StoredToken[], id: string): StoredToken {
  const token = tokens.find((one) => one.id === id)
  if (token !== undefined) return token
  throw new Problem('not-found', `The token ${shown(id)} does not exist, or belongs to another user.`, {
    hint: 'List your tokens: canfar auth token list.',
  })
}

const endedMeanwhile = (): Problem =>
  new Problem('unauthenticated', 'The token ended during the request.', {
    hint: 'Get a new token: science-platform token create NAME.',
    headers: { 'www-authenticate': 'Bearer realm="science-platform", error="invalid_token"' },
  })

/** A token without its secret. Pure. */
const viewToken = (token: StoredToken, caller: Caller): Token => ({
  id: token.id,
  prefix: token.prefix,
  name: token.name,
  scopes: token.scopes.filter((scope): scope is Scope => isScope(scope)),
  createdAt: instant(token.createdAt),
  ...(token.expiresAt === undefined ? {} : { expiresAt: instant(token.expiresAt) }),
  ...(token.lastUsedAt === undefined ? {} : { lastUsedAt: instant(token.lastUsedAt) }),
  ...(token.revokedAt === undefined ? {} : { revokedAt: instant(token.revokedAt) }),
  ...(token.madeWith === undefined ? {} : { madeWith: token.madeWith }),
  ...(token.jobId === undefined ? {} : { jobId: token.jobId }),
  ...(token.id === caller.tokenId ? { current: true as const } : {}),
})
