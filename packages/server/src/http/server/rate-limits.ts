import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../../access/authenticate.ts'
import type { Config } from '../../configuration/config.ts'
import { Problem } from './problem.ts'
import { isSafe } from './route-table.ts'
import { secondsUntilToken, take, type Allowance, type Bucket } from './token-bucket.ts'

/** Maximum of accounts and addresses with a bucket. The least recently used bucket is evicted. */
const mostCounted = 100_000

/** Rate limits of requests. */
export interface RateLimits {
  /** Counts a request of a caller by account, for all of its tokens together. @throws {Problem} above the limit. */
  readonly admit: (caller: Caller, request: FastifyRequest, reply: FastifyReply) => void
  /**
   * Counts an unauthenticated request by its address. @throws {Problem} above the limit, instead of the 401 answer.
   * Bad tokens never delay a valid token, even from the same address.
   */
  readonly refuse: (request: FastifyRequest) => void
}

/** The limits of the configuration, counted in this process. */
export function rateLimits(limits: Config['limits']['requests'], now: () => number): RateLimits {
  const reads = new Counter('reads', limits.reads)
  const changes = new Counter('changes', limits.changes)
  const unauthenticated = new Counter('unauthenticated', limits.unauthenticated)
  return {
    admit: ({ account }, request, reply) => {
      const counter = isSafe(request.method, request.routeOptions.config) ? reads : changes
      const wait = counter.count(account.name, now(), (policy, state) => {
        reply.header('ratelimit-policy', policy).header('ratelimit', state)
      })
      if (wait === undefined) return
      throw tooMany(`${account.name} has sent too many ${counter.name === 'reads' ? 'requests' : 'changes'}.`, wait)
    },
    refuse: ({ ip }) => {
      const wait = unauthenticated.count(ip, now())
      if (wait !== undefined) throw tooMany('This address has sent too many requests without a valid token.', wait)
    },
  }
}

const tooMany = (detail: string, seconds: number): Problem =>
  new Problem('too-many-requests', detail, {
    hint: `Send the next request in ${seconds} s (Retry-After). Submit several jobs as replicas of one request.`,
    headers: { 'retry-after': String(seconds) },
  })

/** The buckets of one kind of request. */
class Counter {
  readonly name: string
  readonly #allowance: Allowance
  readonly #policy: string
  readonly #buckets = new Map<string, Bucket>()

  constructor(name: string, allowance: Allowance) {
    this.name = name
    this.#allowance = allowance
    const { burst, perSecond } = allowance
    this.#policy = `"${name}";q=${burst};w=${Math.ceil(burst / perSecond)}`
  }

  /** Seconds to wait above the limit. `tell` receives the fields of draft-ietf-httpapi-ratelimit-headers. */
  count(key: string, now: number, tell?: (policy: string, state: string) => void): number | undefined {
    const { bucket, taken } = take(this.#buckets.get(key), this.#allowance, now)
    // Re-inserted at the end: the first entry is the least recently used.
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > mostCounted) this.#buckets.delete(this.#buckets.keys().next().value ?? '')
    const wait = taken ? undefined : secondsUntilToken(bucket, this.#allowance)
    tell?.(this.#policy, `"${this.name}";r=${Math.floor(bucket.tokens)};t=${wait ?? 0}`)
    return wait
  }
}
