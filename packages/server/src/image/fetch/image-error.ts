import type { Cause } from '@science-platform/contract'
import { ToolError } from '../../lib/tool.ts'
import { explainFailure, explainRegistryError, type Explained, type FailedImage } from './explain-failure.ts'
import { RegistryError } from '../registry/registry-error.ts'

/** Facts about an {@link ImageError} beside its cause. */
export interface ImageErrorOptions extends ErrorOptions {
  /** Present where the same request may succeed later: milliseconds that the registry asks to wait, or 0. */
  readonly retryAfterMs?: number | undefined
  /** When the image is requested again; see {@link RegistryPatience}. Milliseconds since the epoch. */
  readonly retryAt?: number
}

/** Thrown when an image cannot be had. `why` is the cause for the job's owner: a code, a sentence and a hint. */
export class ImageError extends Error {
  override readonly name = 'ImageError'
  readonly why: Cause
  readonly retryAfterMs: number | undefined
  readonly retryAt: number | undefined

  constructor(why: Cause, { retryAfterMs, retryAt, ...options }: ImageErrorOptions = {}) {
    super(why.message, options)
    this.why = why
    this.retryAfterMs = retryAfterMs
    this.retryAt = retryAt
  }
}

/**
 * Runs work on an image and turns its failure into an {@link ImageError}, with the failure as its cause. Errors that come
 * neither from the image nor from the registry pass unchanged, as does the signal's reason when aborted.
 */
export async function explaining<T>(failed: FailedImage, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw signal.aborted ? signal.reason : explained(error, failed)
  }
}

function explained(error: unknown, failed: FailedImage): unknown {
  if (error instanceof ImageError || !(error instanceof Error)) return error
  if (error instanceof RegistryError) return imageError(explainRegistryError(error, failed), error, error.retryAfterMs)
  if (error instanceof ToolError) {
    if (error.exitCode !== undefined) return imageError(explainFailure(error.stderr, failed), error)
    const hint = 'Ask the operators of the platform to look at its log.'
    return new ImageError(
      { code: 'start-failed', message: `The platform could not get the image: ${error.message}`, hint },
      { cause: error },
    )
  }
  // Errors of the file system have a code. Of those only a full disk is explained by the image.
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return imageError(explainFailure('no space left on device', failed), error)
  return code === undefined ? imageError(explainFailure(error.message, failed), error) : error
}

const imageError = ({ cause: why, passes }: Explained, cause: Error, retryAfterMs = 0): ImageError =>
  new ImageError(why, { cause, retryAfterMs: passes ? retryAfterMs : undefined })
