import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { join } from 'node:path'
import { runTool } from '../../lib/tool.ts'
import { busyboxImage, type BusyboxImage } from './busybox-image.ts'
import { tar, type TarEntry } from './tar.ts'

/** An image of an {@link archiveOfImages}. */
export interface NamedImage extends Omit<BusyboxImage, 'archive'> {
  /** None: the archive does not name it. */
  readonly names: readonly string[]
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** Writes several images into one archive, as `docker save A B` and `skopeo copy` do. Returns their manifests' digests. */
export async function archiveOfImages(
  archive: string,
  format: 'oci' | 'docker',
  images: readonly NamedImage[],
): Promise<readonly string[]> {
  const scratch = await mkdtemp(`${archive}-parts-`)
  const entries = new Map<string, TarEntry>()
  const manifests: object[] = []
  const docker: object[] = []
  const digests: string[] = []
  for (const [i, { names, ...image }] of images.entries()) {
    const part = join(scratch, `${i}.tar`)
    await busyboxImage({ ...image, archive: part })
    const folder = join(scratch, String(i))
    await mkdir(folder)
    await runTool('tar', ['-xf', part, '-C', folder, '--no-same-owner'])
    const blob = (digest: string): Promise<Buffer> => readFile(join(folder, 'blobs', digest.replace(':', '/')))
    const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as { manifests: [Descriptor] }
    const [top] = index.manifests
    digests.push(top.digest)
    for (const name of names.length === 0 ? [undefined] : names)
      manifests.push({
        ...top,
        ...(name !== undefined && {
          annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.split(':')[1] },
        }),
      })
    if (format === 'oci') {
      for (const file of await readdir(join(folder, 'blobs/sha256')))
        entries.set(file, { path: `blobs/sha256/${file}`, content: await readFile(join(folder, 'blobs/sha256', file)) })
      continue
    }
    const manifest = JSON.parse((await blob(top.digest)).toString()) as { config: Descriptor; layers: Descriptor[] }
    const layerFiles: string[] = []
    for (const { digest } of manifest.layers) {
      const path = `${digest.slice(7)}/layer.tar`
      entries.set(path, { path, content: gunzipSync(await blob(digest)) })
      layerFiles.push(path)
    }
    const config = `${manifest.config.digest.slice(7)}.json`
    entries.set(config, { path: config, content: await blob(manifest.config.digest) })
    docker.push({ Config: config, RepoTags: names.length === 0 ? null : names, Layers: layerFiles })
  }
  const head: TarEntry[] =
    format === 'oci'
      ? [
          { path: 'oci-layout', content: JSON.stringify({ imageLayoutVersion: '1.0.0' }) },
          { path: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests }) },
        ]
      : [{ path: 'manifest.json', content: JSON.stringify(docker) }]
  await writeFile(archive, tar([...head, ...entries.values()]))
  await rm(scratch, { recursive: true })
  return digests
}
