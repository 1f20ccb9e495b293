import { access } from 'node:fs/promises'
import { runTool, type ToolOptions } from '../../lib/tool.ts'
import type { ImageSource } from '../access/allowed.ts'
import type { ReadableArchive } from '../store/archive.ts'
import { layoutTag } from '../store/layouts.ts'

/** An image in a registry, and the credentials file for skopeo. */
export interface SkopeoSource {
  readonly source: ImageSource
  readonly digest: string
  readonly authFile: string
}

/** How often skopeo retries transient failures such as a broken connection, after 1 and 2 seconds. */
const retries = 2

/** Fetches the image into a layout. Blobs that the layout has already are not fetched. */
export async function fetchLayout(
  { source, digest, authFile }: SkopeoSource,
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
 * Copies the chosen image of an archive into a layout. Uncompressed layers of an OCI archive stay uncompressed, which saves
 * time. For a docker archive skopeo 1.9 would mark such layers as compressed, and umoci could not read them.
 */
export async function loadLayout(
  archive: ReadableArchive,
  layout: string,
  temporary: string,
  signal: AbortSignal,
): Promise<void> {
  const asTheyAre = archive.format === 'oci' ? ['--dest-oci-accept-uncompressed-layers'] : []
  const args = [
    'copy',
    '--quiet',
    ...asTheyAre,
    `${archive.format}:${archive.path}${archive.place === undefined ? '' : `:${archive.place}`}`,
  ]
  await skopeo([`--tmpdir=${temporary}`, ...args, `oci:${layout}:${layoutTag}`], { signal, env: { TMPDIR: temporary } })
}

/** Runs skopeo with the site's signature policy, if there is one. Without a policy file skopeo needs a flag to run. */
async function skopeo(args: readonly string[], options: ToolOptions): Promise<Buffer> {
  const policy = await access('/etc/containers/policy.json').then(
    () => [],
    () => ['--insecure-policy'],
  )
  return runTool('skopeo', [...policy, ...args], options)
}
