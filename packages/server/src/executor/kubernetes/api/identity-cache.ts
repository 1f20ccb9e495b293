import type { Identity, IdentitySource } from '../credentials/kubeconfig.ts'

/** Milliseconds after which credentials are read again: files with tokens and certificates are rotated. */
const maxAgeMs = 60_000

/** Milliseconds in which an identity that is refused is not read again. */
const minAgeMs = 1_000

/** An identity, and when its reading began. */
export interface CachedIdentity {
  readonly identity: Promise<Identity>
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** The identity of the client, read again once a minute and after a refusal. */
export class IdentityCache {
  readonly #source: IdentitySource
  #cached: CachedIdentity | undefined

  constructor(source: IdentitySource) {
    this.#source = source
  }

  current(): CachedIdentity {
    const now = Date.now()
    const cached = this.#cached
    return cached === undefined || now - cached.at > maxAgeMs || now < cached.at ? this.#read(false) : cached
  }

  /**
   * The identity to retry with after a 401; undefined where a retry is useless. Of many requests that are refused at once, the
   * first reads the identity again and the others use it.
   */
  afterRefusal(refused: CachedIdentity): CachedIdentity | undefined {
    if (this.#cached !== refused) return this.current()
    return Date.now() - refused.at < minAgeMs ? undefined : this.#read(true)
  }

  #read(wasRefused: boolean): CachedIdentity {
    const cached = { identity: this.#source(wasRefused), at: Date.now() }
    this.#cached = cached
    // The next request after a failure reads again.
    cached.identity.catch(() => {
      if (this.#cached === cached) this.#cached = undefined
    })
    return cached
  }
}
