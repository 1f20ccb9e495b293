import { join } from 'node:path'
import type { ImageSource } from '../access/allowed.ts'
import { writeAuthFile } from './auth-file.ts'
import type { Layouts } from '../store/layouts.ts'
import type { RoomForImages } from '../store/root-file-systems.ts'
import { storedBytes } from '../manifest.ts'
import { typesOf } from '../catalogue/image-types.ts'
import { RegistryClient } from '../registry/registry-client.ts'
import { readRemoteImage } from '../registry/remote-image.ts'
import { fetchLayout } from './skopeo.ts'
import { withStallDetection } from './stall-detection.ts'
import { wrongPlatform } from './wrong-platform.ts'

/** An image to fetch, and how. */
export interface WantedImage {
  /** The text of its reference, for messages. */
  readonly image: string
  readonly source: ImageSource
  /** Of its manifest or index. */
  readonly digest: string
  /** `user:password`; undefined where the image is public. */
  readonly registryAuth: string | undefined
  /** See {@link ImagePolicy}. */
  readonly tokenHosts: Readonly<Record<string, readonly string[]>> | undefined
  /** Milliseconds without a new byte after which the fetch ends. */
  readonly stallMilliseconds: number
  /** Room on the disk for the bytes that are about to come. */
  readonly room: RoomForImages
  /** Receives about once a second how many bytes of how many have come. */
  readonly onBytes?: ((bytes: number, totalBytes: number) => void) | undefined
}

/**
 * Fetches an image into a layout under its digest and returns facts for its record. The platform is checked before the
 * layers are fetched. An index stands for its image for this machine.
 *
 * @param temporary private to this fetch
 */
export async function fetchImage(
  { image, source, digest, registryAuth, tokenHosts = {}, stallMilliseconds, room, onBytes }: WantedImage,
  layouts: Layouts,
  temporary: string,
  signal: AbortSignal,
): Promise<{ readonly sizeBytes: number; readonly types: readonly string[] }> {
  const registry = new RegistryClient({ source, credentials: registryAuth, tokenHosts, signal })
  const remote = await readRemoteImage(registry, source.path, digest)
  if (!remote.fits) throw wrongPlatform(image, remote.platforms)
  const expectedBytes = storedBytes(remote.manifest)
  using _taken = await room.take(expectedBytes)
  const layout = join(temporary, 'layout')
  await layouts.begin(
    layout,
    remote.manifest.layers.map((layer) => layer.digest),
  )
  const authFile = await writeAuthFile(temporary, source.registry, registryAuth)
  await withStallDetection(layout, { expectedBytes, stallMilliseconds, onBytes }, signal, (watched) =>
    fetchLayout({ source, digest: remote.digest, authFile }, layout, temporary, watched),
  )
  await layouts.finish(layout, digest)
  return { sizeBytes: expectedBytes, types: typesOf(remote.config.labels) }
}
