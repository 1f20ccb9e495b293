import { access } from 'node:fs/promises'
import { runTool, type ToolOptions } from '../tool.ts'
import type { ImageSource } from './allowed.ts'
import type { ReadableArchive } from './archive.ts'
import { layoutTag } from './layouts.ts'

/** An image in a registry, and what skopeo needs to ask for it. */
export interface RemoteImage {
  readonly source: ImageSource
  /** `:tag` or `@sha256:…` */
  readonly version: string
  readonly authFile: string
}

/** How long one question to a registry may take; a fetch may take as long as it wants. */
const questionTimeout = '60s'
/** How often skopeo tries again, after 1 and 2 seconds, what may pass by itself, such as a broken connection. */
const retries = 2

const address = ({ source, version }: RemoteImage): string => `docker://${source.registry}/${source.path}${version}`

/** The manifest's own bytes, of which its digest is the sum. */
export async function fetchManifest(image: RemoteImage, signal: AbortSignal): Promise<Buffer> {
  return inspect(image, ['--raw'], signal)
}

/** The bytes of the image's configuration. */
export async function fetchConfig(image: RemoteImage, signal: AbortSignal): Promise<Buffer> {
  return inspect(image, ['--raw', '--config'], signal)
}

async function inspect(image: RemoteImage, what: readonly string[], signal: AbortSignal): Promise<Buffer> {
  const tls = `--tls-verify=${!image.source.plainHttp}`
  const args = ['inspect', ...what, tls, `--authfile=${image.authFile}`, `--retry-times=${retries}`, address(image)]
  return skopeo([`--command-timeout=${questionTimeout}`, ...args], { signal })
}

/** Fetches the image into a layout, less the blobs that are in it already. */
export async function fetchLayout(
  image: RemoteImage,
  layout: string,
  temporary: string,
  signal: AbortSignal,
): Promise<void> {
  const tls = `--src-tls-verify=${!image.source.plainHttp}`
  const args = ['copy', '--quiet', tls, `--src-authfile=${image.authFile}`, `--retry-times=${retries}`]
  await skopeo([`--tmpdir=${temporary}`, ...args, address(image), `oci:${layout}:${layoutTag}`], {
    signal,
    env: { TMPDIR: temporary },
  })
}

/**
 * Takes the one image of an archive into a layout. Layers that an OCI archive holds uncompressed stay so: compressing would
 * only cost time. Of a docker archive skopeo 1.9 would then call them compressed all the same, and umoci could not read them.
 */
export async function loadLayout(
  archive: ReadableArchive,
  layout: string,
  temporary: string,
  signal: AbortSignal,
): Promise<void> {
  const asTheyAre = archive.format === 'oci' ? ['--dest-oci-accept-uncompressed-layers'] : []
  const args = ['copy', '--quiet', ...asTheyAre, `${archive.format}:${archive.path}`]
  await skopeo([`--tmpdir=${temporary}`, ...args, `oci:${layout}:${layoutTag}`], { signal, env: { TMPDIR: temporary } })
}

/** A site's signature policy holds where there is one; skopeo refuses to run without, so there it is told that none is meant. */
async function skopeo(args: readonly string[], options: ToolOptions): Promise<Buffer> {
  const policy = await access('/etc/containers/policy.json').then(
    () => [],
    () => ['--insecure-policy'],
  )
  return runTool('skopeo', [...policy, ...args], options)
}
