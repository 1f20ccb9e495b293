import { fits, machineArchitecture, readConfig, readManifest, type ImageConfig, type Platform } from '../manifest.ts'
import type { SingleImage } from '../store/layouts.ts'
import type { RegistryClient } from './registry-client.ts'

/** The image that a registry has under a digest, for this machine. */
export interface RemoteImage {
  /** Digest of the single image: the requested one or, for an index, that of its image for this machine. */
  readonly digest: string
  readonly manifest: SingleImage
  readonly config: ImageConfig
  /** Whether it is built for this machine. If no image of an index is, the first one is described. */
  readonly fits: boolean
  /** All platforms that it is built for. */
  readonly platforms: readonly (Platform | undefined)[]
}

/** Reads manifest and configuration of an image. @throws {RegistryError}, or Error that says what is wrong with the image. */
export async function readRemoteImage(registry: RegistryClient, path: string, digest: string): Promise<RemoteImage> {
  const top = readManifest((await registry.manifest(path, digest)).bytes)
  const choices = top.type === 'index' ? top.images : [{ digest, platform: undefined }]
  const fitting = choices.find(({ platform }) => platform !== undefined && fits(platform, machineArchitecture))
  const chosen = (fitting ?? choices[0])?.digest
  if (chosen === undefined) throw new Error('its index lists no image')
  const manifest = chosen === digest ? top : readManifest((await registry.manifest(path, chosen)).bytes)
  if (manifest.type !== 'image') throw new Error('its index lists another index')
  const config = readConfig((await registry.blob(path, manifest.config.digest)).bytes)
  const platforms = top.type === 'index' ? choices.map(({ platform }) => platform) : [config.platform]
  return {
    digest: chosen,
    manifest,
    config,
    fits: top.type === 'index' ? fitting !== undefined : fits(config.platform, machineArchitecture),
    platforms,
  }
}
