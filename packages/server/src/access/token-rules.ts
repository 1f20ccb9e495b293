import { jobScopes, type JobRequest, type JobScope, type Scope, type TokenRequest } from '@science-platform/contract'
import { InvalidRequest } from '../job/invalid.ts'
import type { NewJob } from '../job/job.ts'
import type { StoredToken } from '../store/store.ts'
import type { Caller } from './authenticate.ts'
import { defaultScopes } from './scopes.ts'
import { identified, type NewToken } from '../lib/secrets/token-text.ts'

/**
 * The token that a caller creates. It has no scope beyond the caller's token, expires no later, and is revoked with it. Pure.
 * @throws {InvalidRequest} where the request exceeds that.
 */
export function tokenMadeBy(caller: Caller, request: TokenRequest, made: NewToken, now: number): StoredToken {
  const { name = 'token', expiresInSeconds } = request
  const scopes = withinScopes('scopes', request.scopes ?? owned(caller, defaultScopes), caller)
  const expiresAt = expiresInSeconds === undefined ? caller.tokenExpiresAt : now + expiresInSeconds * 1000
  if (expiresAt !== undefined && caller.tokenExpiresAt !== undefined && expiresAt > caller.tokenExpiresAt) {
    throw new InvalidRequest(
      'expiresInSeconds',
      `expiresInSeconds is ${expiresInSeconds}; your token expires earlier, at ${new Date(caller.tokenExpiresAt).toISOString()}`,
      'Use a smaller value, or omit it: then the new token expires with yours.',
    )
  }
  return {
    ...withoutSecret(made),
    account: caller.account.name,
    name,
    scopes,
    createdAt: now,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    madeWith: caller.tokenId,
  }
}

/** The successor of a token, with a new secret and the same scopes. It expires when the old one would have expired. Pure. */
export const successorOf = (old: StoredToken, made: NewToken, now: number): StoredToken => ({
  ...withoutSecret(made),
  account: old.account,
  name: old.name,
  scopes: old.scopes,
  createdAt: now,
  ...(old.expiresAt === undefined ? {} : { expiresAt: old.expiresAt }),
  ...(old.madeWith === undefined ? {} : { madeWith: old.madeWith }),
})

/**
 * Whether the caller may rotate a token: the caller's own token, or one that it created. The successor of any other token
 * could have more scopes, or outlive the caller's token. Pure.
 */
export function mayRotate(caller: Caller, token: StoredToken, all: readonly StoredToken[]): boolean {
  const byId = new Map(all.map((one) => [one.id, one]))
  for (let one: StoredToken | undefined = token; one !== undefined; one = byId.get(one.madeWith ?? '')) {
    if (one.id === caller.tokenId) return true
  }
  return false
}

/** The scopes of the tokens that a request's jobs carry; undefined without such tokens. Pure. @throws {InvalidRequest} */
export function jobTokenScopes(
  { jobToken: token, network }: Pick<JobRequest, 'jobToken' | 'network'>,
  caller: Caller,
): JobScope[] | undefined {
  if (token === undefined || token === false) return undefined
  if (network === 'none') {
    throw new InvalidRequest(
      'jobToken',
      'jobToken needs a network, and network is none: the job could not reach the platform',
      'Omit network or jobToken.',
    )
  }
  const scopes = token === true ? owned(caller, jobScopes) : withinScopes('jobToken', token, caller)
  if (scopes.length > 0) return scopes
  throw new InvalidRequest('jobToken', 'your token has no scope that a job may have', 'Omit jobToken.')
}

/**
 * The tokens that jobs carry. Each is revoked with its job, and with the token of the user at the start of a chain of jobs:
 * a job may submit a job that outlives it, but no job's token outlives the user's. Pure but for the ids.
 */
export const tokensOfJobs = (
  jobs: readonly NewJob[],
  caller: Caller,
  secretOf: (jobId: string) => string,
): StoredToken[] =>
  jobs.flatMap(({ id, owner, jobToken: scopes, submittedAt }) => {
    const maker = caller.tokenJob === undefined ? caller.tokenId : caller.tokenMadeWith
    if (scopes === undefined) return []
    return [
      {
        ...withoutSecret(identified(secretOf(id))),
        account: owner,
        name: `job ${id}`,
        scopes,
        createdAt: submittedAt,
        jobId: id,
        ...(caller.tokenExpiresAt === undefined ? {} : { expiresAt: caller.tokenExpiresAt }),
        ...(maker === undefined ? {} : { madeWith: maker }),
      },
    ]
  })

/** The stored fields of a token: all but the token itself. */
const withoutSecret = ({ token: _, ...known }: NewToken): Omit<NewToken, 'token'> => known

/** The scopes of a list that the caller's token has. */
const owned = <S extends Scope>(caller: Caller, scopes: readonly S[]): S[] =>
  scopes.filter((scope) => caller.scopes.has(scope))

function withinScopes<S extends Scope>(field: string, wanted: readonly S[], caller: Caller): S[] {
  const beyond = wanted.find((scope) => !caller.scopes.has(scope))
  if (beyond === undefined) return [...wanted]
  throw new InvalidRequest(
    field,
    `${field} has ${beyond}; your token lacks that scope`,
    `Your token has ${[...caller.scopes].join(', ')}. Omit ${beyond}, or use a token with that scope.`,
  )
}
