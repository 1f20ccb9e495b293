import type { RegistryCatalogue } from './catalogue.ts'
import type { LocalImage } from '../store/local-images.ts'

/** An image that a user may see. */
export interface OfferedImage {
  readonly reference: string
  readonly digest: string
  readonly types: readonly string[]
  /** The image on this machine's disk; absent where it is not there. */
  readonly local?: LocalImage
}

/**
 * The images of the registries and of this machine, sorted by reference. Images that were fetched with credentials appear
 * only where `mayKnow` allows. Pure.
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
    // The tag has moved: a job would not get the image on the disk.
    if (listed !== undefined && listed.digest !== digest) continue
    if (listed === undefined && !image.public && !mayKnow(reference)) continue
    offered.set(reference, { reference, digest, types: listed?.types ?? types, local: image })
  }
  return [...offered.values()].sort((a, b) => (a.reference < b.reference ? -1 : 1))
}
