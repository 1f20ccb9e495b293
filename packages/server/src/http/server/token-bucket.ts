/** The burst and the refill rate of a bucket. */
export interface Allowance {
  /** Tokens in a full bucket. */
  readonly burst: number
  /** Tokens refilled per second. */
  readonly perSecond: number
}

/** The state of a bucket at an instant. */
export interface Bucket {
  readonly tokens: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Takes one token from a bucket; a new bucket is full. A clock that was set back neither adds nor removes tokens. Pure. */
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
