import type { RegistryCatalogue } from './catalogue.ts'
import type { LocalImage } from '../store/local-images.ts'

/** An image that a user may be told of. */
export interface OfferedImage {
  readonly reference: string
  readonly digest: string
  readonly types: readonly string[]
  /** What is on the disk of this image; absent where it is not here. */
  readonly local?: LocalImage
}

/**
 * What registries and the local store offer together, by reference. Of what was fetched with credentials only those are
 * told who may know of it: `mayKnow` says. Pure.
 */
export function offeredImages(
  local: readonly LocalImage[],
  catalogues: readonly RegistryCatalogue[],
  mayKnow: (reference: string) => boolean,
): OfferedImage[] {
  const offered = new Map<string, OfferedImage>()
  for (const { images } of catalogues) for (const image of images) offered.set(image.reference, image)
  for (const image of local) {
    const { reference, digest, types } = image
    const listed = offered.get(reference)
    // The tag means something else by now: what is here is no longer what a job would get.
    if (listed !== undefined && listed.digest !== digest) continue
    if (listed === undefined && !image.public && !mayKnow(reference)) continue
    offered.set(reference, { reference, digest, types: listed?.types ?? types, local: image })
  }
  return [...offered.values()].sort((a, b) => (a.reference < b.reference ? -1 : 1))
}
