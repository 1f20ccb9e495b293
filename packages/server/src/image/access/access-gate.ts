import { isLocal, printReference, type ImageReference } from '../../job/image-reference.ts'
import { SingleFlight } from '../../lib/single-flight.ts'
import { explaining, ImageError } from '../fetch/image-error.ts'
import type { AccessCache } from './access-cache.ts'
import { imageSource, isAllowed, notAllowedMessage, type ImagePolicy } from './allowed.ts'
import { permissionFor, sharingKey, type Permission } from './permission.ts'

/** What a caller wants of an image. */
export interface AccessRequest {
  /** The digest that the job was given before; without it, what the reference means now. */
  readonly digest?: string | undefined
  /** `user:password` for the image's registry. */
  readonly registryAuth?: string | undefined
  readonly signal: AbortSignal
}

/** Settings of {@link AccessGate}. */
export interface AccessGateOptions {
  readonly policy: ImagePolicy
  readonly cache: AccessCache
  /** The digest of an image of the local store. @throws {ImageError} when there is no such image */
  readonly loadedDigest: (reference: ImageReference) => Promise<string>
}

/**
 * Decides who may have which image. Every user may have the images of the local store. For all others the registry decides,
 * also when the image is on this machine's disk already.
 */
export class AccessGate {
  readonly #options: AccessGateOptions
  readonly #questions = new SingleFlight<Permission>()

  constructor(options: AccessGateOptions) {
    this.#options = options
  }

  /** @throws {ImageError} when the policy does not allow the image */
  requireAllowed(reference: ImageReference): void {
    const { policy } = this.#options
    if (isAllowed(reference, policy)) return
    throw new ImageError({
      code: 'image-not-found',
      message: notAllowedMessage(printReference(reference), policy),
      hint: 'Push the image to one of these registries, or ask the operators to allow its registry.',
    })
  }

  /** The digest that the caller may have, and the credentials that it takes. @throws {ImageError} */
  async permission(
    reference: ImageReference,
    { digest: wanted, registryAuth, signal }: AccessRequest,
  ): Promise<Permission> {
    this.requireAllowed(reference)
    const { policy, cache, loadedDigest } = this.#options
    if (isLocal(reference)) return { digest: wanted ?? (await loadedDigest(reference)), registryAuth: undefined }
    const image = printReference(reference)
    const source = imageSource(reference, policy)
    const digest = wanted ?? reference.digest
    const version = digest === undefined ? { tag: reference.tag ?? 'latest' } : { digest }
    return this.#questions.join(sharingKey(JSON.stringify([image, version]), registryAuth), signal, (shared) =>
      explaining({ image, registry: source.registry, host: reference.registry }, shared, () =>
        permissionFor({ source, version, registryAuth }, policy, cache, shared),
      ),
    )
  }
}
