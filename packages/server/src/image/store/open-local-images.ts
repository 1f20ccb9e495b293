import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join, resolve as absolute } from 'node:path'
import type { Logger } from 'pino'
import { imageSource, isAllowed, notAllowedMessage, type ImagePolicy } from '../access/allowed.ts'
import { readableArchive } from './archive.ts'
import { fetchImage, wrongPlatform } from '../fetch/fetch-image.ts'
import {
  bytesUsed,
  collectGarbage,
  isLoaded,
  usedAtWhenRemoved,
  type ImagesOfJobs,
  type Storage,
} from './garbage-collection.ts'
import { explaining, ImageError } from '../fetch/image-error.ts'
import { typesOf } from '../catalogue/image-types.ts'
import { AccessCache } from '../access/access-cache.ts'
import { Layouts, readLayout } from './layouts.ts'
import type { ImageDescription, LocalImages } from './local-images.ts'
import { fits, machineArchitecture, readConfig, storedBytes } from '../manifest.ts'
import { permissionFor, type Permission } from '../access/permission.ts'
import { ImageRecords, type ImageRecord } from './records.ts'
import { isLocal, parseReference, printReference, type ImageReference } from '../../job/image-reference.ts'
import { RegistryClient } from '../registry/registry-client.ts'
import { readRemoteImage } from '../registry/remote-image.ts'
import { RootFileSystems, type UnpackedImage } from './root-file-systems.ts'
import { SingleFlight } from '../../lib/single-flight.ts'
import { loadLayout } from '../fetch/skopeo.ts'
import { Temporaries } from './temporaries.ts'

/** What the local images are made of. */
export interface LocalImagesOptions {
  /** DATA/images; made when missing. */
  readonly folder: string
  readonly policy: ImagePolicy
  readonly log: Pick<Logger, 'info'>
  /** Bytes on the disk above which fetched images are given up, longest unused first. Default: no limit. */
  readonly limitBytes?: number
  /** Images that jobs are about to mount, though no mount shows it yet: they are not given up. Default: none. */
  readonly ofJobs?: () => Promise<ImagesOfJobs>
  /** A fetch of which nothing came for so long is given up. @defaultValue 120000 (2 minutes) */
  readonly stallMilliseconds?: number
}

/**
 * Opens the images of this machine. Several processes may have them open at once; what killed ones left half done is removed.
 *
 * The digest of an image is that of what its tag means in the registry: where that is an index of several platforms, the
 * index's own. So a digest means the same on every machine, and the same root on every machine of one kind.
 */
export async function openLocalImages(options: LocalImagesOptions): Promise<LocalImages> {
  const { policy, log, limitBytes, ofJobs = async () => [], stallMilliseconds = 120_000 } = options
  const folder = absolute(options.folder)
  // skopeo and umoci take what follows a colon for the name of an image inside the layout.
  if (folder.includes(':'))
    throw new Error(`the images' folder ${folder} has a colon in its path: choose another data directory`)
  const storage: Storage = {
    folder,
    records: new ImageRecords(join(folder, 'records')),
    layouts: new Layouts(join(folder, 'layouts'), join(folder, 'blobs')),
    roots: new RootFileSystems(join(folder, 'roots')),
    temporaries: new Temporaries(join(folder, 'temporary')),
  }
  const { records, layouts, roots, temporaries } = storage
  const accessCache = new AccessCache(join(folder, 'grants'))
  const questions = new SingleFlight<Permission>()
  const fetches = new SingleFlight<number>()
  const listeners = new Map<string, Set<(bytes: number, totalBytes: number) => void>>()
  const unpackings = new SingleFlight<UnpackedImage>()
  let cleaning = Promise.resolve()

  await records.open()
  await layouts.open()
  await roots.open()
  await temporaries.open()
  await accessCache.open()
  await collect()

  /** One after the other: two at once would each make room for both. `ahead` is what is about to come. */
  function collect(ahead = 0): Promise<void> {
    cleaning = cleaning
      .catch(() => undefined)
      .then(async () => {
        const limit = limitBytes === undefined ? undefined : Math.max(0, limitBytes - ahead)
        const jobs = await ofJobs()
        const { deleted, bytesUsed: used = 0 } = await collectGarbage(storage, {
          now: Date.now(),
          limitBytes: limit,
          jobs,
        })
        if (deleted.length > 0) log.info({ deleted }, 'images deleted that nobody needed')
        if (limitBytes !== undefined && used > limitBytes)
          log.info(
            { bytesUsed: used, limitBytes },
            'images take more than their limit: what is left runs or was loaded by hand',
          )
      })
    return cleaning
  }

  function read(text: string): ImageReference {
    const reference = parseReference(text)
    if ('fault' in reference)
      throw new ImageError({ code: 'image-not-found', message: reference.fault, hint: reference.hint })
    if (isAllowed(reference, policy)) return reference
    const hint = 'Push the image to one of these registries, or ask the operators to allow its registry.'
    throw new ImageError({ code: 'image-not-found', message: notAllowedMessage(text, policy), hint })
  }

  /**
   * The digest that the reference means now, or `wanted`, if whoever holds these credentials may have it. The local store is
   * open to all; of what is there by way of a registry only that registry says who may have it.
   */
  async function permission(
    image: string,
    wanted: string | undefined,
    registryAuth: string | undefined,
    signal: AbortSignal,
  ): Promise<Permission> {
    const reference = read(image)
    if (isLocal(reference)) return { digest: wanted ?? (await localDigest(image, reference)), registryAuth: undefined }
    const source = imageSource(reference, policy)
    const digest = wanted ?? reference.digest
    const version = digest === undefined ? { tag: reference.tag ?? 'latest' } : { digest }
    const key = keyOf(JSON.stringify([printReference(reference), version]), registryAuth)
    return questions.join(key, signal, (shared) =>
      explaining({ image, registry: source.registry }, shared, () =>
        permissionFor({ source, version, registryAuth }, policy, accessCache, shared),
      ),
    )
  }

  /** A digest alone opens nothing: it must be that of an image which was loaded, not one that came from a registry. */
  async function localDigest(image: string, reference: ImageReference): Promise<string> {
    if (reference.digest === undefined) return (await localRecord(image, reference)).digest
    const loaded = (await records.list()).some(
      (record) => record.digest === reference.digest && isLoaded(record.reference),
    )
    if (loaded) return reference.digest
    throw notInLocalStore(image)
  }

  async function localRecord(image: string, reference: ImageReference) {
    const record = await records.find(printReference(reference))
    if (record) return record
    throw notInLocalStore(image)
  }

  async function unpacked(digest: string): Promise<UnpackedImage | undefined> {
    const root = await roots.find(digest)
    return root && fits(root.platform, machineArchitecture) ? root : undefined
  }

  async function fetched(
    image: string,
    { digest, registryAuth }: Permission,
    signal: AbortSignal,
    onBytes?: (bytes: number, totalBytes: number) => void,
  ): Promise<number> {
    const reference = read(image)
    const source = imageSource(reference, policy)
    // By credentials too: nobody shall fail for another's wrong password.
    const key = keyOf(digest, registryAuth)
    const told = listeners.get(key) ?? new Set()
    listeners.set(key, told)
    if (onBytes !== undefined) told.add(onBytes)
    const toAll = (bytes: number, totalBytes: number): void => {
      for (const tell of told) tell(bytes, totalBytes)
    }
    const fetching = fetches.join(key, signal, (shared) =>
      explaining({ image, registry: source.registry }, shared, () =>
        temporaries.use(async (temporary) => {
          const wanted = { image, source, digest, registryAuth, tokenHosts: policy.tokenHosts, stallMilliseconds }
          const { sizeBytes, types } = await fetchImage(
            { ...wanted, makeRoom: collect, onBytes: toAll },
            layouts,
            temporary,
            shared,
          )
          const isPublic = registryAuth === undefined
          const record = { reference: printReference(reference), digest, sizeBytes, types, public: isPublic }
          await records.write({ ...record, loadedAt: Date.now() }, temporary)
          return sizeBytes
        }),
      ),
    )
    return fetching.finally(() => {
      if (onBytes !== undefined) told.delete(onBytes)
      if (told.size === 0) listeners.delete(key)
    })
  }

  /** Another name than that by which an image was fetched may mean it too, and what was private may be public by now. */
  async function remember(reference: ImageReference, { digest, registryAuth }: Permission): Promise<void> {
    const name = printReference(reference)
    const known = await records.find(name)
    const isPublic = registryAuth === undefined
    if ((known?.digest === digest && (known.public || !isPublic)) || !(await layouts.has(digest))) return
    const { sizeBytes, labels } = await storedImage(digest)
    const record = {
      reference: name,
      digest,
      sizeBytes,
      types: typesOf(labels),
      public: isPublic,
      loadedAt: Date.now(),
    }
    await temporaries.use((temporary) => records.write(record, temporary))
  }

  /** What a layout on the disk says of its image. */
  async function storedImage(digest: string): Promise<ImageDescription> {
    const { manifest, config: bytes } = await readLayout(layouts.path(digest))
    const config = readConfig(bytes)
    const fitting = fits(config.platform, machineArchitecture)
    return { ...config, digest, sizeBytes: storedBytes(manifest), here: true, fits: fitting }
  }

  const describe: LocalImages['describe'] = async (image, { registryAuth, signal }) => {
    const reference = read(image)
    const { digest, registryAuth: needed } = await permission(image, undefined, registryAuth, signal)
    if (await layouts.has(digest)) return storedImage(digest)
    if (isLocal(reference)) throw notInLocalStore(image)
    const source = imageSource(reference, policy)
    return explaining({ image, registry: source.registry }, signal, async () => {
      const { tokenHosts = {} } = policy
      const registry = new RegistryClient({ source, credentials: needed, tokenHosts, signal })
      const { config, manifest, fits } = await readRemoteImage(registry, source.path, digest)
      return { ...config, digest, sizeBytes: storedBytes(manifest), here: false, fits }
    })
  }

  const prepare: LocalImages['prepare'] = async (
    image,
    { digest: wanted, registryAuth, signal, onProgress, onBytes },
  ) => {
    signal.throwIfAborted()
    const reference = read(image)
    const allowed = await permission(image, wanted, registryAuth, signal)
    const { digest } = allowed
    const present = await unpacked(digest)
    if (present) {
      if (!isLocal(reference)) await remember(reference, allowed)
      return { ...present.image, reference: image }
    }

    if (!(await layouts.has(digest))) {
      if (isLocal(reference)) {
        const message = `The local store no longer has the image ${image} with the digest ${digest}.`
        throw new ImageError({
          code: 'image-not-found',
          message,
          hint: 'Load it again, or submit the job anew to use what the tag means now.',
        })
      }
      onProgress?.('Pulling', `Pulling image "${image}"`)
      const started = performance.now()
      const sizeBytes = await fetched(image, allowed, signal, onBytes)
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      onProgress?.('Pulled', `Pulled image "${image}" in ${seconds} s, ${(sizeBytes / 1024 ** 2).toFixed(1)} MiB`)
    }
    onProgress?.('Unpacking', `Unpacking image "${image}"`)
    const done = await unpackings.join(digest, signal, (shared) =>
      explaining({ image }, shared, async () => {
        const layout = layouts.path(digest)
        const { platform } = readConfig((await readLayout(layout)).config)
        if (!fits(platform, machineArchitecture)) throw wrongPlatform(image, [platform])
        await temporaries.use((temporary) => roots.unpack(layout, digest, temporary, shared))
        const root = await roots.find(digest)
        if (!root) throw new Error(`${roots.path(digest)} vanished as soon as it was made`)
        if (limitBytes !== undefined) await collect()
        return root
      }),
    )
    if (!isLocal(reference)) await remember(reference, allowed)
    return { ...done.image, reference: image }
  }

  const load: LocalImages['load'] = async (archive, as, signal) => {
    const reference = read(as)
    if (!isLocal(reference) || reference.digest !== undefined) {
      const message = `An image is loaded as localhost/NAME:TAG, not as '${as}'.`
      throw new ImageError({
        code: 'image-invalid',
        message,
        hint: `This would do: localhost/${reference.path}:${reference.tag ?? 'latest'}`,
      })
    }
    const path = absolute(archive)
    await stat(path).catch((error: unknown) => {
      throw new ImageError(
        { code: 'image-not-found', message: `There is no archive ${path}.`, hint: 'Check the path.' },
        { cause: error },
      )
    })
    return explaining({ image: archive }, signal, () =>
      temporaries.use(async (temporary) => {
        const readable = await readableArchive(path, temporary, signal)
        if (readable === undefined) {
          const message = `${archive} is not an image archive: it has neither index.json nor manifest.json.`
          throw new ImageError({
            code: 'image-invalid',
            message,
            hint: 'Make it with `docker save`, `podman save` or `skopeo copy … oci-archive:FILE`.',
          })
        }
        const layout = join(temporary, 'layout')
        await loadLayout(readable, layout, temporary, signal)
        const { digest, manifest, config } = await readLayout(layout)
        const { platform, labels } = readConfig(config)
        if (!fits(platform, machineArchitecture)) throw wrongPlatform(archive, [platform])
        await layouts.finish(layout, digest)
        const sizeBytes = storedBytes(manifest)
        const record = { reference: printReference(reference), digest, sizeBytes, types: typesOf(labels), public: true }
        await records.write({ ...record, loadedAt: Date.now() }, temporary)
        return digest
      }),
    )
  }

  async function storedRecord(image: string): Promise<ImageRecord> {
    const reference = parseReference(image)
    const record = 'fault' in reference ? undefined : await records.find(printReference(reference))
    if (record !== undefined) return record
    const hint = 'List the images that there are: science-platform image list'
    throw new ImageError({ code: 'image-not-found', message: `This platform's disk has no image ${image}.`, hint })
  }

  const remove: LocalImages['remove'] = async (image) => {
    const record = await storedRecord(image)
    await records.remove(record.reference)
    const others = (await records.list()).some(({ digest }) => digest === record.digest)
    if (!others) await roots.setUsedAt(record.digest, usedAtWhenRemoved(Date.now())).catch(ignoreMissing)
    await collect()
  }

  return {
    prepare,
    resolve: async (image, { registryAuth, signal }) =>
      (await permission(image, undefined, registryAuth, signal)).digest,
    load,
    describe,
    describeStored: async (image) => storedImage((await storedRecord(image)).digest),
    list: () => records.list(),
    bytesUsed: () => bytesUsed(storage),
    remove,
  }
}

const notInLocalStore = (image: string): ImageError =>
  new ImageError({
    code: 'image-not-found',
    message: `The local store has no image ${image}.`,
    hint: 'Check the name, or load it: science-platform image load ARCHIVE.tar --as localhost/NAME:TAG',
  })

/** Tells requests apart that may not share an answer; a digest, so that no password stays in memory as a key. */
const keyOf = (what: string, registryAuth: string | undefined): string =>
  createHash('sha256')
    .update(JSON.stringify([what, registryAuth ?? null]))
    .digest('hex')

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
