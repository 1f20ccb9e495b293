import type { Cause } from '@science-platform/contract'

/** Thrown when an image cannot be had. `why` is what the job's owner is told: a code, a sentence and what to do. */
export class ImageError extends Error {
  override readonly name = 'ImageError'
  readonly why: Cause

  constructor(why: Cause, options?: ErrorOptions) {
    super(why.message, options)
    this.why = why
  }
}
