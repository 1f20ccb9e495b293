import type { Cause } from '@science-platform/contract'
import { ToolError } from '../../lib/tool.ts'
import { explainFailure, explainRegistryError, type FailedImage } from './explain-failure.ts'
import { RegistryError } from '../registry/registry-error.ts'

/** Thrown when an image cannot be had. `why` is what the job's owner is told: a code, a sentence and what to do. */
export class ImageError extends Error {
  override readonly name = 'ImageError'
  readonly why: Cause

  constructor(why: Cause, options?: ErrorOptions) {
    super(why.message, options)
    this.why = why
  }
}

/**
 * Runs work on an image and turns its failure into an {@link ImageError}, with the failure itself as its cause. What is
 * neither the image's nor the registry's fault comes through as it is, and so does the signal's reason when aborted.
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
  if (error instanceof RegistryError) return new ImageError(explainRegistryError(error, failed), { cause: error })
  if (error instanceof ToolError) {
    if (error.exitCode !== undefined) return new ImageError(explainFailure(error.stderr, failed), { cause: error })
    const hint = 'Tell the operators of the platform.'
    return new ImageError(
      { code: 'start-failed', message: `The platform could not get the image: ${error.message}`, hint },
      { cause: error },
    )
  }
  // Errors of the file system carry a code; of those, only a full disk says something about the image.
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new ImageError(explainFailure('no space left on device', failed), { cause: error })
  return code === undefined ? new ImageError(explainFailure(error.message, failed), { cause: error }) : error
}
