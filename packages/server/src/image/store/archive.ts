import { access, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { runTool } from '../../lib/tool.ts'
import { chooseImage, type FoundImage } from '../choose-image.ts'
import { hexOf } from './records.ts'

/** The form of an image archive, by its members. An archive of a recent `docker save` has both; then it is `oci`. Pure. */
export function archiveFormat(members: readonly string[]): 'oci' | 'docker-archive' | undefined {
  const names = new Set(members.map((name) => name.replace(/^\.\//, '')))
  if (names.has('oci-layout') && names.has('index.json')) return 'oci'
  return names.has('manifest.json') ? 'docker-archive' : undefined
}

/** An image in an archive. */
export interface ArchivedImage {
  /** The digest of its manifest or index, or in a docker archive of its configuration. */
  readonly digest: string
  /** The names that the archive gives it; often none. */
  readonly names: readonly string[]
}

/** One image of an archive in a form that skopeo reads. */
export interface ReadableArchive {
  readonly format: 'oci' | 'docker-archive'
  readonly path: string
  /** What skopeo reads after the path and a colon: the place of the image in a docker archive. */
  readonly place?: string
  /** The image as the archive describes it, where that was read already. */
  readonly image?: FoundImage
}

/** Thrown for an archive from which an image must be chosen by name. */
export class ChooseImage extends Error {
  override readonly name = 'ChooseImage'
  readonly images: readonly ArchivedImage[]

  constructor(images: readonly ArchivedImage[]) {
    super('an image of the archive must be chosen')
    this.images = images
  }
}

/**
 * The file and the name in `FILE:NAME`. File names may contain colons: the longest beginning that is a file counts.
 *
 * @param exists whether there is a file of this name
 */
export async function splitArchive(
  text: string,
  exists: (path: string) => Promise<boolean>,
): Promise<{ readonly path: string; readonly name?: string }> {
  for (let end = text.length; end > 0; end = text.lastIndexOf(':', end - 1))
    if (await exists(text.slice(0, end)))
      return end === text.length ? { path: text } : { path: text.slice(0, end), name: text.slice(end + 1) }
  return { path: text }
}

/** Whether there is a file of this name. */
export const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const ociIndex = Compile(
  Type.Object({
    manifests: Type.Array(
      Type.Object({
        mediaType: Type.Optional(Type.String()),
        digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }),
        annotations: Type.Optional(Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()])),
      }),
    ),
  }),
)
const dockerManifest = Compile(
  Type.Array(
    Type.Object({
      Config: Type.String(),
      RepoTags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
    }),
  ),
)

/** The images of an OCI archive by its `index.json`: entries with one digest are one image with several names. Pure. */
export function imagesOfIndex(text: string): readonly ArchivedImage[] {
  const index: unknown = parsed(text, 'index.json')
  if (!ociIndex.Check(index)) throw new Error('its index.json does not have the form of an index')
  const entries = index.manifests.map(({ digest, annotations }) => {
    const name = annotations?.['io.containerd.image.name'] ?? annotations?.['org.opencontainers.image.ref.name'] ?? ''
    return { digest, names: name === '' ? [] : [name] }
  })
  return merged(entries)
}

/** The images of a docker archive by its `manifest.json`. Pure. */
export function imagesOfDocker(text: string): readonly ArchivedImage[] {
  const manifest: unknown = parsed(text, 'manifest.json')
  if (!dockerManifest.Check(manifest)) throw new Error('its manifest.json does not have the form of a docker archive')
  return merged(manifest.map(({ Config, RepoTags }) => ({ digest: configDigest(Config), names: RepoTags ?? [] })))
}

/** `HEX.json`, or `blobs/sha256/HEX` in recent archives. */
const configDigest = (file: string): string => {
  const hex = /([0-9a-f]{64})(?:\.json)?$/.exec(file)?.[1]
  return hex === undefined ? file : `sha256:${hex}`
}

function merged(entries: readonly ArchivedImage[]): readonly ArchivedImage[] {
  const images = new Map<string, string[]>()
  for (const { digest, names } of entries) images.set(digest, [...(images.get(digest) ?? []), ...names])
  return [...images].map(([digest, names]) => ({ digest, names: [...new Set(names)] }))
}

/** The place of the wanted image among those of an archive. Pure. @throws {ChooseImage} */
export function choosePlace(images: readonly ArchivedImage[], wanted: string | undefined): number {
  if (wanted === undefined && images.length === 1) return 0
  const isWanted = ({ digest, names }: ArchivedImage): boolean =>
    digest === wanted || names.some((name) => name === wanted || shortName(name) === shortName(wanted ?? ''))
  const places = images.flatMap((image, place) => (isWanted(image) ? [place] : []))
  const [place] = places
  if (wanted === undefined || place === undefined || places.length > 1) throw new ChooseImage(images)
  return place
}

/** Docker writes its own registry in front of some names, and leaves it out of others. */
const shortName = (name: string): string => name.replace(/^docker\.io\/(?:library\/)?/, '')

/**
 * Makes one image of an archive readable for skopeo; undefined when the file is not an image archive. An OCI archive is extracted here,
 * since skopeo would set the owners of its members, which takes root; its index then has the wanted image for this machine
 * alone. A docker archive gets a link without a colon in its name, since skopeo reads what follows a colon as the name of an
 * image.
 *
 * @param wanted a name or a digest; needed where the archive has several images
 * @param temporary private to this work
 * @throws ToolError when the file is not an archive; Error when it has members that an OCI layout does not have; {@link ChooseImage}
 */
export async function readableArchive(
  path: string,
  wanted: string | undefined,
  temporary: string,
  signal: AbortSignal,
): Promise<ReadableArchive | undefined> {
  const list = await runTool('tar', ['--list', '--force-local', '--file', path], {
    signal,
    outputLimit: 64 * 1024 * 1024,
  })
  const members = list.toString().split('\n')
  const format = archiveFormat(members)
  if (format === undefined) return undefined
  const archive = join(temporary, 'archive')
  if (format === 'docker-archive') {
    const member = members.find((name) => name.replace(/^\.\//, '') === 'manifest.json') ?? 'manifest.json'
    const output = ['--extract', '--to-stdout', '--force-local', '--file', path, '--', member]
    const images = imagesOfDocker((await runTool('tar', output, { signal })).toString())
    await symlink(path, archive)
    return { format, path: archive, place: `@${choosePlace(images, wanted)}` }
  }
  await mkdir(archive)
  const asOurs = ['--no-same-owner', '--no-same-permissions', '--force-local']
  await runTool('tar', ['--extract', ...asOurs, '--file', path, '--directory', archive], { signal })
  const strange = (await readdir(archive, { recursive: true, withFileTypes: true })).find(
    (entry) => !entry.isFile() && !entry.isDirectory(),
  )
  if (strange) throw new Error(`it has ${strange.name}, which is neither a file nor a folder`)
  return { format, path: archive, image: await reduceToImage(archive, wanted) }
}

/** Makes the wanted image for this machine the only one in the index of an extracted archive. */
async function reduceToImage(archive: string, wanted: string | undefined): Promise<FoundImage> {
  const file = join(archive, 'index.json')
  const images = imagesOfIndex(await readFile(file, 'utf8'))
  const { digest } = images[choosePlace(images, wanted)] ?? { digest: '' }
  const blob = (of: string): Promise<Buffer> =>
    readFile(join(archive, 'blobs/sha256', hexOf(of))).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? new Error(`the archive lacks the content ${of}`) : error
    })
  const image = await chooseImage(digest, blob)
  const bytes = await blob(image.digest)
  const { mediaType = 'application/vnd.oci.image.manifest.v1+json' } = JSON.parse(bytes.toString()) as {
    mediaType?: string
  }
  const manifests = [{ mediaType, digest: image.digest, size: bytes.length }]
  await writeFile(file, JSON.stringify({ schemaVersion: 2, manifests }))
  return image
}

function parsed(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`its ${file} is not JSON`, { cause: error })
  }
}
