import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isLocal, printReference, type ImageReference } from '../../job/image-reference.ts'
import { typesOf } from '../catalogue/image-types.ts'
import { fits, machineArchitecture, readConfig, storedBytes } from '../manifest.ts'
import { ChooseImage, isThere, readableArchive, splitArchive } from '../store/archive.ts'
import type { ImageStore } from '../store/image-store.ts'
import { readLayout } from '../store/layouts.ts'
import type { LoadProgress } from '../store/local-images.ts'
import { removeTree } from '../store/temporaries.ts'
import { explaining, ImageError } from './image-error.ts'
import { loadLayout } from './skopeo.ts'
import { wrongPlatform } from './wrong-platform.ts'

/** Settings of {@link loadArchive}. */
export interface LoadOptions {
  readonly signal: AbortSignal
  readonly onProgress?: LoadProgress
}

/**
 * Loads an OCI or docker archive into the store under a name of the local store, unpacked, and returns its digest. The name
 * comes last: a load that fails or is interrupted adds nothing to the store.
 *
 * @throws {ImageError}
 */
export async function loadArchive(
  archive: string,
  reference: ImageReference,
  store: ImageStore,
  options: LoadOptions,
): Promise<string> {
  requireLocalTag(reference)
  const { path, name } = await splitArchive(resolve(archive), isThere)
  await stat(path).catch((error: unknown) => {
    throw new ImageError(
      { code: 'image-not-found', message: `There is no archive ${path}.`, hint: 'Check the path.' },
      { cause: error },
    )
  })
  const work = (temporary: string): Promise<string> =>
    load({ archive, path, name, reference }, store, temporary, options)
  try {
    return await explaining({ image: archive }, options.signal, () => store.temporaries.use(work))
  } catch (error) {
    if (error instanceof ImageError && error.cause instanceof ChooseImage) throw notChosen(path, name, error.cause)
    throw error instanceof ImageError && error.why.code === 'disk-full' ? noRoom(error, store.folder) : error
  }
}

interface Source {
  /** As the caller wrote it. */
  readonly archive: string
  readonly path: string
  /** Of the image in the archive; undefined: it has one. */
  readonly name: string | undefined
  readonly reference: ImageReference
}

/** @param temporary private to this load */
async function load(
  { archive, path, name, reference }: Source,
  store: ImageStore,
  temporary: string,
  { signal, onProgress }: LoadOptions,
): Promise<string> {
  // 1. Copy the image into a layout of the store's form.
  onProgress?.('Loading', `Loading ${archive}`)
  const readable = await readableArchive(path, name, temporary, signal)
  if (readable === undefined) throw notAnArchive(archive)
  if (readable.image?.fits === false) throw wrongPlatform(archive, readable.image.platforms)
  const layout = join(temporary, 'layout')
  await loadLayout(readable, layout, temporary, signal)
  // A disk that is nearly full needs the room of the extracted archive for the root file system.
  await removeTree(readable.path)
  const { digest, manifest, config } = await readLayout(layout)
  const { platform, labels } = readConfig(config)
  if (!fits(platform, machineArchitecture)) throw wrongPlatform(archive, [platform])
  const sizeBytes = storedBytes(manifest)
  // 2. Unpack it, so that the first job only mounts it.
  if ((await store.roots.find(digest)) === undefined) {
    const size = `${(sizeBytes / 1024 ** 2).toFixed(1)} MiB compressed`
    onProgress?.('Unpacking', `Unpacking image "${printReference(reference)}", ${size}`)
    await store.roots.unpack(layout, digest, temporary, { signal, room: store.roomFor(archive) })
  }
  // 3. Put the layout in its place, then give the image its name. Until then collection deletes neither: both are new.
  await store.layouts.finish(layout, digest)
  const record = { reference, digest, sizeBytes, types: typesOf(labels), public: true, loadedAt: Date.now() }
  await store.records.write(record, temporary)
  return digest
}

function requireLocalTag(reference: ImageReference): void {
  if (isLocal(reference) && reference.digest === undefined) return
  throw new ImageError({
    code: 'image-invalid',
    message: `An image is loaded as localhost/NAME:TAG, not as '${printReference(reference)}'.`,
    hint: `For example: --as localhost/${reference.path}:${reference.tag ?? 'latest'}`,
  })
}

function notChosen(path: string, name: string | undefined, { images }: ChooseImage): ImageError {
  const known = images.map(({ digest, names }) => (names.length === 0 ? digest : names.join(' = '))).join(', ')
  const [first] = images.map(({ digest, names }) => names[0] ?? digest)
  return new ImageError({
    code: 'image-not-found',
    message:
      name === undefined
        ? `${path} has ${images.length} images: ${known}.`
        : `${path} has no single image ${name}. It has ${known}.`,
    hint: `Name one of them behind the file: science-platform image load ${path}:${first ?? 'NAME'} --as …`,
  })
}

const notAnArchive = (archive: string): ImageError =>
  new ImageError({
    code: 'image-invalid',
    message: `${archive} is not an image archive: it has neither index.json nor manifest.json.`,
    hint: 'Create it with `docker save`, `podman save` or `skopeo copy … oci-archive:FILE`.',
  })

const noRoom = ({ why, cause }: ImageError, folder: string): ImageError =>
  new ImageError(
    {
      ...why,
      hint: `Nothing was loaded. Free space on the disk of ${folder}, for instance with science-platform image rm, and load the image again.`,
    },
    { cause },
  )
