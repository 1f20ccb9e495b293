import { chooseImage, type FoundImage } from '../choose-image.ts'
import type { RegistryClient } from './registry-client.ts'

/** The image that a registry has under a digest, for this machine. @throws {RegistryError}, or Error that says what is wrong with the image. */
export const readRemoteImage = (registry: RegistryClient, path: string, digest: string): Promise<FoundImage> =>
  chooseImage(digest, async (wanted, what) => {
    const { bytes } = await (what === 'manifest' ? registry.manifest(path, wanted) : registry.blob(path, wanted))
    return bytes
  })
