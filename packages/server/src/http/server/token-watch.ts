import type { FastifyRequest } from 'fastify'
import type { Authenticator } from '../../access/authenticate.ts'
import type { StoredChange } from '../../store/change.ts'
import type { ChangeLog } from '../../store/change-log.ts'
import { callerOf } from './guard.ts'

/** Dependencies of {@link whileAuthenticated}. */
export interface TokenWatchDependencies {
  readonly authenticator: Pick<Authenticator, 'authenticate'>
  readonly changes: Pick<ChangeLog, 'follow'>
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** The longest delay of a Node timer. */
const longestTimerMs = 2 ** 31 - 1

/**
 * A signal that is aborted once the token of a request is invalid: revoked, expired, replaced, or its user disabled. For
 * long-lived answers. Call `release` when the answer has ended.
 */
export function whileAuthenticated(
  request: FastifyRequest,
  { authenticator, changes, now }: TokenWatchDependencies,
): { readonly signal: AbortSignal; readonly release: () => void } {
  const over = new AbortController()
  const { account, tokenId, tokenExpiresAt } = callerOf(request)
  let timer: NodeJS.Timeout | undefined

  const check = async (): Promise<void> => {
    // A failed read does not invalidate the token. The next change, or the timer, checks again.
    const caller = await authenticator.authenticate(request.headers.authorization).catch(() => undefined)
    if (caller === undefined) expectEnd(now() + 1_000)
    else if (typeof caller === 'string') over.abort()
    else expectEnd(caller.tokenExpiresAt)
  }
  const expectEnd = (at: number | undefined): void => {
    clearTimeout(timer)
    if (at === undefined || over.signal.aborted) return
    timer = setTimeout(() => void check(), Math.min(longestTimerMs, Math.max(0, at - now()) + 1)).unref()
  }
  const concerns = ({ kind, owner, subject }: StoredChange): boolean =>
    ((kind === 'token-revoked' || kind === 'token-rotated') && (owner === account.name || subject === tokenId)) ||
    (kind === 'user-changed' && subject === account.name)

  expectEnd(tokenExpiresAt)
  const stop = changes.follow((page) => {
    if (page.some(concerns)) void check()
  })
  return {
    signal: over.signal,
    release: () => {
      clearTimeout(timer)
      stop()
    },
  }
}
