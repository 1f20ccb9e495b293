import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isLocal, printReference, type ImageReference } from '../../job/image-reference.ts'
import { typesOf } from '../catalogue/image-types.ts'
import { fits, machineArchitecture, readConfig, storedBytes } from '../manifest.ts'
import { readableArchive } from '../store/archive.ts'
import type { ImageStore } from '../store/image-store.ts'
import { readLayout } from '../store/layouts.ts'
import { explaining, ImageError } from './image-error.ts'
import { loadLayout } from './skopeo.ts'
import { wrongPlatform } from './wrong-platform.ts'

/** Loads an OCI or docker archive into the store under a name of the local store. Returns its digest. @throws {ImageError} */
export async function loadArchive(
  archive: string,
  reference: ImageReference,
  store: ImageStore,
  signal: AbortSignal,
): Promise<string> {
  requireLocalTag(reference)
  const path = resolve(archive)
  await stat(path).catch((error: unknown) => {
    throw new ImageError(
      { code: 'image-not-found', message: `There is no archive ${path}.`, hint: 'Check the path.' },
      { cause: error },
    )
  })
  return explaining({ image: archive }, signal, () =>
    store.temporaries.use(async (temporary) => {
      const readable = await readableArchive(path, temporary, signal)
      if (readable === undefined) throw notAnArchive(archive)
      const layout = join(temporary, 'layout')
      await loadLayout(readable, layout, temporary, signal)
      const { digest, manifest, config } = await readLayout(layout)
      const { platform, labels } = readConfig(config)
      if (!fits(platform, machineArchitecture)) throw wrongPlatform(archive, [platform])
      await store.layouts.finish(layout, digest)
      const sizeBytes = storedBytes(manifest)
      const record = { reference, digest, sizeBytes, types: typesOf(labels), public: true }
      await store.records.write({ ...record, loadedAt: Date.now() }, temporary)
      return digest
    }),
  )
}

function requireLocalTag(reference: ImageReference): void {
  if (isLocal(reference) && reference.digest === undefined) return
  throw new ImageError({
    code: 'image-invalid',
    message: `An image is loaded as localhost/NAME:TAG, not as '${printReference(reference)}'.`,
    hint: `For example: --as localhost/${reference.path}:${reference.tag ?? 'latest'}`,
  })
}

const notAnArchive = (archive: string): ImageError =>
  new ImageError({
    code: 'image-invalid',
    message: `${archive} is not an image archive: it has neither index.json nor manifest.json.`,
    hint: 'Create it with `docker save`, `podman save` or `skopeo copy … oci-archive:FILE`.',
  })
