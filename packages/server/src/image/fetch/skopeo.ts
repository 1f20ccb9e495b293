import { access } from 'node:fs/promises'
import { runTool, type ToolOptions } from '../../lib/tool.ts'
import type { ImageSource } from '../access/allowed.ts'
import type { ReadableArchive } from '../store/archive.ts'
import { layoutTag } from '../store/layouts.ts'

/** An image in a registry, and what skopeo needs to ask for it. */
export interface RemoteImage {
  readonly source: ImageSource
  readonly digest: string
  readonly authFile: string
}

/** How often skopeo tries again, after 1 and 2 seconds, what may pass by itself, such as a broken connection. */
const retries = 2

/** Fetches the image into a layout, less the blobs that are in it already. */
export async function fetchLayout(
  { source, digest, authFile }: RemoteImage,
  layout: string,
  temporary: string,
  signal: AbortSignal,
): Promise<void> {
  const tls = `--src-tls-verify=${!source.plainHttp}`
  const args = ['copy', '--quiet', tls, `--src-authfile=${authFile}`, `--retry-times=${retries}`]
  const address = `docker://${source.registry}/${source.path}@${digest}`
  await skopeo([`--tmpdir=${temporary}`, ...args, address, `oci:${layout}:${layoutTag}`], {
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
