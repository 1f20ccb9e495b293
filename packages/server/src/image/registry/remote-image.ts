import { fits, machineArchitecture, readConfig, readManifest, type ImageConfig, type Platform } from '../manifest.ts'
import type { SingleImage } from '../store/layouts.ts'
import type { RegistryClient } from './registry-client.ts'

/** What a registry has under a digest, as far as it matters on this machine. */
export interface RemoteImage {
  /** Of the one image: the digest itself or, of an index, that of the image which is made for this machine. */
  readonly digest: string
  readonly manifest: SingleImage
  readonly config: ImageConfig
  /** Whether it is made for this machine; where nothing is, the first there is stands for all. */
  readonly fits: boolean
  /** What there is of it. */
  readonly platforms: readonly (Platform | undefined)[]
}

/** Reads what there is to know of an image without its layers. @throws {RegistryError}, or Error that says what is wrong with it. */
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
