import { imageSource, type ImagePolicy } from './allowed.ts'
import { isLocal, parseReference } from '../../job/image-reference.ts'

/** Credentials and the only place they may be sent to. */
export interface BoundCredentials {
  /** `host[:port]` that images were fetched from when the credentials were given: the registry, or what stood in for it. */
  readonly address: string
  /** `user:password` */
  readonly registryAuth: string
}

/** Where an image is fetched from now; undefined for the local store, which asks nobody for credentials. Pure. */
function addressOf(image: string, policy: ImagePolicy): string | undefined {
  const reference = parseReference(image)
  return 'fault' in reference || isLocal(reference) ? undefined : imageSource(reference, policy).registry
}

/** Credentials that came with an image, for the place it is fetched from alone; undefined where there is no use for them. Pure. */
export function bindCredentials(
  image: string,
  registryAuth: string,
  policy: ImagePolicy,
): BoundCredentials | undefined {
  const address = addressOf(image, policy)
  return address === undefined ? undefined : { address, registryAuth }
}

/** The credentials, if the image is still fetched from where they belong: aliases may have changed since. Pure. */
export const unboundFor = (image: string, bound: BoundCredentials, policy: ImagePolicy): string | undefined =>
  addressOf(image, policy) === bound.address ? bound.registryAuth : undefined
