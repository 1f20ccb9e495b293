import { isLocal, type ImageReference } from '../../job/image-reference.ts'
import { imageSource, type ImagePolicy } from './allowed.ts'

/** Credentials and the only address that they may be sent to. */
export interface BoundCredentials {
  /** `host[:port]` that served the image when the user gave the credentials: the registry, or its alias. */
  readonly address: string
  /** `user:password` */
  readonly registryAuth: string
}

/** The address that serves an image now; undefined for the local store, which takes no credentials. Pure. */
const addressOf = (image: ImageReference, policy: ImagePolicy): string | undefined =>
  isLocal(image) ? undefined : imageSource(image, policy).registry

/** Binds credentials to the address that serves the image; undefined where the image takes none. Pure. */
export function bindCredentials(
  image: ImageReference,
  registryAuth: string,
  policy: ImagePolicy,
): BoundCredentials | undefined {
  const address = addressOf(image, policy)
  return address === undefined ? undefined : { address, registryAuth }
}

/** The credentials, if the same address still serves the image: an alias may have changed since. Pure. */
export const unboundFor = (image: ImageReference, bound: BoundCredentials, policy: ImagePolicy): string | undefined =>
  addressOf(image, policy) === bound.address ? bound.registryAuth : undefined
