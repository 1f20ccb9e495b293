import { jobScopes, type JobRequest, type JobScope, type Scope, type TokenRequest } from '@science-platform/contract'
import { InvalidRequest } from '../job/invalid.ts'
import type { NewJob } from '../job/job.ts'
import type { StoredToken } from '../store/store.ts'
import type { Caller } from './authenticate.ts'
import { defaultScopes } from './scopes.ts'
import { identified, type NewToken } from '../lib/secrets/token-text.ts'

/**
 * The token that a caller makes: it can do no more than the one that is used to make it, lasts no longer, and is revoked
 * with it. Pure.
 * @throws {InvalidRequest} where it asks for more.
 */
export function tokenMadeBy(caller: Caller, request: TokenRequest, made: NewToken, now: number): StoredToken {
  const { name = 'token', expiresInSeconds } = request
  const scopes = withinScopes('scopes', request.scopes ?? owned(caller, defaultScopes), caller)
  const expiresAt = expiresInSeconds === undefined ? caller.tokenExpiresAt : now + expiresInSeconds * 1000
  if (expiresAt !== undefined && caller.tokenExpiresAt !== undefined && expiresAt > caller.tokenExpiresAt) {
    throw new InvalidRequest(
      'expiresInSeconds',
      `expiresInSeconds is ${expiresInSeconds}; the token you use ends before that, at ${new Date(caller.tokenExpiresAt).toISOString()}`,
      'Ask for less, or leave it out to have it end with the one you use.',
    )
  }
  return {
    ...kept(made),
    account: caller.account.name,
    name,
    scopes,
    createdAt: now,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    madeWith: caller.tokenId,
  }
}

/** The token that takes the place of another: the same, but for the secret. It ends when the other would have ended. Pure. */
export const successorOf = (old: StoredToken, made: NewToken, now: number): StoredToken => ({
  ...kept(made),
  account: old.account,
  name: old.name,
  scopes: old.scopes,
  createdAt: now,
  ...(old.expiresAt === undefined ? {} : { expiresAt: old.expiresAt }),
  ...(old.madeWith === undefined ? {} : { madeWith: old.madeWith }),
})

/**
 * Whether the caller may have the successor of a token: of the one that is used, and of those that were made with it.
 * Of any other the successor could do more, or live on when the one that is used is revoked. Pure.
 */
export function mayRotate(caller: Caller, token: StoredToken, all: readonly StoredToken[]): boolean {
  const byId = new Map(all.map((one) => [one.id, one]))
  for (let one: StoredToken | undefined = token; one !== undefined; one = byId.get(one.madeWith ?? '')) {
    if (one.id === caller.tokenId) return true
  }
  return false
}

/** What the tokens of a request's jobs may be used for; undefined where none are asked for. Pure. @throws {InvalidRequest} */
export function jobTokenScopes(
  { jobToken: token, network }: Pick<JobRequest, 'jobToken' | 'network'>,
  caller: Caller,
): JobScope[] | undefined {
  if (token === undefined || token === false) return undefined
  if (network === 'none') {
    throw new InvalidRequest(
      'jobToken',
      'jobToken is asked for, and network is none: the job could not reach the platform',
      'Leave network out, or leave jobToken out.',
    )
  }
  const scopes = token === true ? owned(caller, jobScopes) : withinScopes('jobToken', token, caller)
  if (scopes.length > 0) return scopes
  throw new InvalidRequest('jobToken', 'the token you use has nothing to pass on to a job', 'Leave jobToken out.')
}

/**
 * The tokens that jobs carry. Each is revoked with its job, and with the token that the first of a line of jobs was submitted
 * with: a job may submit another that outlives it, and none outlives what its user once allowed. Pure but for the ids.
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
        ...kept(identified(secretOf(id))),
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

/** What is stored of a token: all but itself. */
const kept = ({ token: _, ...known }: NewToken): Omit<NewToken, 'token'> => known

/** Those of some scopes that the caller's token has. */
const owned = <S extends Scope>(caller: Caller, scopes: readonly S[]): S[] =>
  scopes.filter((scope) => caller.scopes.has(scope))

function withinScopes<S extends Scope>(field: string, wanted: readonly S[], caller: Caller): S[] {
  const beyond = wanted.find((scope) => !caller.scopes.has(scope))
  if (beyond === undefined) return [...wanted]
  throw new InvalidRequest(
    field,
    `${field} names ${beyond}, which the token you use has not`,
    `It has ${[...caller.scopes].join(', ')}. Leave ${beyond} out, or use a token that has it.`,
  )
}
