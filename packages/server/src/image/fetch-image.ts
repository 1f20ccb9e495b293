import { join } from 'node:path'
import type { ImageSource } from './allowed.ts'
import { writeAuthFile } from './auth-file.ts'
import { ImageError } from './image-error.ts'
import type { Layouts } from './layouts.ts'
import { fits, machineArchitecture, readConfig, readManifest, storedBytes, type Manifest } from './manifest.ts'
import { RegistryClient } from './registry/registry-client.ts'
import { fetchLayout } from './skopeo.ts'

/** Which image is wanted of a registry. */
export interface WantedImage {
  /** As the user wrote it, for messages. */
  readonly image: string
  readonly source: ImageSource
  /** Of its manifest or index. */
  readonly digest: string
  /** `user:password`; undefined where anybody may have it. */
  readonly registryAuth: string | undefined
  /** See {@link ImagePolicy}. */
  readonly tokenHosts: Readonly<Record<string, readonly string[]>> | undefined
}

/**
 * Fetches an image into a layout under its digest and returns the bytes it has there. What it is made for is checked before
 * its layers are fetched. An index stands for the one of its images that is made for this machine.
 *
 * @param temporary private to this fetch
 */
export async function fetchImage(
  { image, source, digest, registryAuth, tokenHosts = {} }: WantedImage,
  layouts: Layouts,
  temporary: string,
  signal: AbortSignal,
): Promise<number> {
  const registry = new RegistryClient({ source, credentials: registryAuth, tokenHosts, signal })
  const manifest = async (of: string): Promise<Manifest> =>
    readManifest((await registry.manifest(source.path, of)).bytes)

  const top = await manifest(digest)
  const chosen = top.type === 'image' ? digest : chooseImage(image, top)
  const single = top.type === 'image' ? top : await manifest(chosen)
  if (single.type !== 'image') throw new Error('its index lists another index')
  if (top.type === 'image') {
    const { platform } = readConfig((await registry.blob(source.path, top.config.digest)).bytes)
    if (!fits(platform, machineArchitecture)) throw wrongPlatform(image, [platformName(platform)])
  }

  const layout = join(temporary, 'layout')
  await layouts.begin(
    layout,
    single.layers.map((layer) => layer.digest),
  )
  const authFile = await writeAuthFile(temporary, source.registry, registryAuth)
  await fetchLayout({ source, digest: chosen, authFile }, layout, temporary, signal)
  await layouts.finish(layout, digest)
  return storedBytes(single)
}

function chooseImage(image: string, index: Extract<Manifest, { type: 'index' }>): string {
  const choice = index.images.find(({ platform }) => platform !== undefined && fits(platform, machineArchitecture))
  if (choice) return choice.digest
  throw wrongPlatform(
    image,
    index.images.map(({ platform }) => platformName(platform)),
  )
}

const platformName = (platform: { os: string; architecture: string } | undefined): string =>
  platform === undefined ? 'unknown' : `${platform.os}/${platform.architecture}`

/** The error for an image that is made for other machines only. */
export function wrongPlatform(image: string, offered: readonly string[]): ImageError {
  const names =
    [...new Set(offered)].filter((name) => !name.startsWith('unknown')).join(', ') || 'nothing in particular'
  return new ImageError({
    code: 'image-wrong-platform',
    message: `The image ${image} is made for ${names}; this platform runs linux/${machineArchitecture}.`,
    hint: `Build it for this platform, for instance with \`docker build --platform linux/${machineArchitecture}\`, and push it again.`,
  })
}
