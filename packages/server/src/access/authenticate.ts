import type { StoredAccount, StoredToken, Store } from '../store/store.ts'
import type { TokenUse } from './token-use.ts'
import { isScope, type Scope } from './scopes.ts'
import { hashToken, isTokenShaped, sameHash } from '../lib/secrets/token-text.ts'

/** The account that makes a request, and what its token allows. */
export interface Caller {
  readonly account: StoredAccount
  readonly scopes: ReadonlySet<Scope>
  /** The beginning of the token, as `token list` shows it. */
  readonly tokenPrefix: string
  readonly tokenId: string
  /** The id of the token that created this token. */
  readonly tokenMadeWith?: string
  /** The job that carries the token. */
  readonly tokenJob?: string
  /** Milliseconds since the epoch; absent: the token does not expire. */
  readonly tokenExpiresAt?: number
}

/** Why a request is not authenticated. */
export type Refusal = 'missing' | 'malformed' | 'unknown' | 'expired' | 'revoked'

/** Authenticates callers by their bearer tokens. */
export interface Authenticator {
  /** The caller of an `Authorization` header. A token of the last second takes no query. */
  authenticate(header: string | undefined): Promise<Caller | Refusal>
  /** Clears the cache, so that all revocations in the store count from the next request on. */
  forget(): void
}

/** How long the cache answers for a token. A revocation by another process counts after this time. Milliseconds. */
const freshMilliseconds = 1000

/** Tokens in the cache; above it the oldest entry is dropped. */
const mostRemembered = 10_000

interface Known {
  readonly token: StoredToken
  readonly caller: Caller
}

/** Creates an {@link Authenticator} over the store's tokens and accounts. */
export function createAuthenticator(
  store: Pick<Store, 'tokenByHash' | 'account'>,
  now: () => number,
  use?: Pick<TokenUse, 'note'>,
): Authenticator {
  const remembered = new Map<string, { readonly until: number; readonly known: Promise<Known | undefined> }>()

  async function lookUp(hash: string): Promise<Known | undefined> {
    const token = await store.tokenByHash(hash)
    if (token === undefined || !sameHash(token.hash, hash)) return undefined
    const account = await store.account(token.account)
    return account === undefined ? undefined : { token, caller: callerOf(token, account) }
  }

  async function find(hash: string): Promise<Known | undefined> {
    const held = remembered.get(hash)
    if (held !== undefined && now() < held.until) return held.known
    remembered.delete(hash)
    const known = lookUp(hash)
    if (remembered.size >= mostRemembered) remembered.delete(remembered.keys().next().value ?? '')
    remembered.set(hash, { until: now() + freshMilliseconds, known })
    const forget = (): void => {
      if (remembered.get(hash)?.known === known) remembered.delete(hash)
    }
    try {
      const found = await known
      // Wrong tokens are not cached: a flood of them would displace valid ones.
      if (found === undefined) forget()
      return found
    } catch (error) {
      forget()
      throw error
    }
  }

  return {
    async authenticate(header) {
      if (header === undefined || header === '') return 'missing'
      const token = /^Bearer +([^ ]+) *$/i.exec(header)?.[1]
      if (token === undefined) return 'malformed'
      if (!isTokenShaped(token)) return 'unknown'
      const known = await find(hashToken(token))
      if (known === undefined) return 'unknown'
      if (known.token.revokedAt !== undefined) return 'revoked'
      if (known.token.expiresAt !== undefined && known.token.expiresAt <= now()) return 'expired'
      use?.note(known.token.id, known.token.lastUsedAt)
      return known.caller
    },

    forget() {
      remembered.clear()
    },
  }
}

const callerOf = (token: StoredToken, account: StoredAccount): Caller => ({
  account,
  // The scope `admin` counts only while the account is an administrator.
  scopes: new Set(token.scopes.filter(isScope).filter((scope) => scope !== 'admin' || account.admin)),
  tokenPrefix: token.prefix,
  tokenId: token.id,
  ...(token.madeWith === undefined ? {} : { tokenMadeWith: token.madeWith }),
  ...(token.jobId === undefined ? {} : { tokenJob: token.jobId }),
  ...(token.expiresAt === undefined ? {} : { tokenExpiresAt: token.expiresAt }),
})
