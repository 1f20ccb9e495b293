import type { StoredAccount, StoredToken, Store } from '../store/store.ts'
import type { TokenUse } from './token-use.ts'
import { isScope, type Scope } from './scopes.ts'
import { hashToken, isTokenShaped, sameHash } from '../lib/secrets/token-text.ts'

/** Who makes a request, and what the token allows. */
export interface Caller {
  readonly account: StoredAccount
  readonly scopes: ReadonlySet<Scope>
  /** The beginning of the token, as `token list` shows it. */
  readonly tokenPrefix: string
  readonly tokenId: string
  /** The id of the token that it was made with. */
  readonly tokenMadeWith?: string
  /** The job whose own token it is. */
  readonly tokenJob?: string
  /** Milliseconds since the epoch; absent: the token does not expire. */
  readonly tokenExpiresAt?: number
}

/** Why nobody was recognised. */
export type Refusal = 'missing' | 'malformed' | 'unknown' | 'expired' | 'revoked'

/** Recognises callers by their bearer tokens. */
export interface Authenticator {
  /** Who the `Authorization` header says the caller is. A token seen within the last second costs no query. */
  authenticate(header: string | undefined): Promise<Caller | Refusal>
  /** What was revoked or disabled in the store until now counts for every request that comes after. */
  forget(): void
}

/** How long a token is trusted without asking the store: what another process revokes counts after that time. */
const freshMilliseconds = 1000

/** Tokens remembered at once; the one remembered longest goes. */
const mostRemembered = 10_000

interface Known {
  readonly token: StoredToken
  readonly caller: Caller
}

/** Makes an {@link Authenticator} over the store's tokens and accounts. */
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
      // Wrong tokens are not remembered: a flood of them would push the right ones out.
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
  // The word alone makes nobody an administrator, nor one who is one no more.
  scopes: new Set(token.scopes.filter(isScope).filter((scope) => scope !== 'admin' || account.admin)),
  tokenPrefix: token.prefix,
  tokenId: token.id,
  ...(token.madeWith === undefined ? {} : { tokenMadeWith: token.madeWith }),
  ...(token.jobId === undefined ? {} : { tokenJob: token.jobId }),
  ...(token.expiresAt === undefined ? {} : { tokenExpiresAt: token.expiresAt }),
})
