/** What may be done at once, and how fast what was used comes back. */
export interface Allowance {
  /** Tokens that a full bucket holds. */
  readonly burst: number
  /** Tokens that come back a second. */
  readonly perSecond: number
}

/** A bucket at a moment. */
export interface Bucket {
  readonly tokens: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

/**
 * Takes one token from a bucket, which was full where there is none yet. A clock that was set back gives nothing and takes
 * nothing away. Pure.
 */
export function take(
  bucket: Bucket | undefined,
  { burst, perSecond }: Allowance,
  now: number,
): { readonly bucket: Bucket; readonly taken: boolean } {
  const seconds = bucket === undefined ? 0 : Math.max(0, now - bucket.at) / 1000
  const tokens = Math.min(burst, bucket === undefined ? burst : bucket.tokens + seconds * perSecond)
  const taken = tokens >= 1
  return { bucket: { tokens: taken ? tokens - 1 : tokens, at: now }, taken }
}

/** Whole seconds until a bucket has a token again; at least 1. Pure. */
export const secondsUntilToken = ({ tokens }: Bucket, { perSecond }: Allowance): number =>
  Math.max(1, Math.ceil((1 - tokens) / perSecond))
