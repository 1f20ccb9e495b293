import type { Cause } from '@science-platform/contract'
import { ToolError } from '../../lib/tool.ts'
import { explainFailure, explainRegistryError, type FailedImage } from './explain-failure.ts'
import { RegistryError } from '../registry/registry-error.ts'

/** Thrown when an image cannot be had. `why` is the cause for the job's owner: a code, a sentence and a hint. */
export class ImageError extends Error {
  override readonly name = 'ImageError'
  readonly why: Cause

  constructor(why: Cause, options?: ErrorOptions) {
    super(why.message, options)
    this.why = why
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
  if (error instanceof RegistryError) return new ImageError(explainRegistryError(error, failed), { cause: error })
  if (error instanceof ToolError) {
    if (error.exitCode !== undefined) return new ImageError(explainFailure(error.stderr, failed), { cause: error })
    const hint = 'Ask the operators of the platform to look at its log.'
    return new ImageError(
      { code: 'start-failed', message: `The platform could not get the image: ${error.message}`, hint },
      { cause: error },
    )
  }
  // Errors of the file system have a code. Of those only a full disk is explained by the image.
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new ImageError(explainFailure('no space left on device', failed), { cause: error })
  return code === undefined ? new ImageError(explainFailure(error.message, failed), { cause: error }) : error
}
