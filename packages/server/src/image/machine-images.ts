import { join, resolve } from 'node:path'
import type { Logger } from 'pino'
import { isLocal, printReference, type ImageReference } from '../job/image-reference.ts'
import { AccessCache } from './access/access-cache.ts'
import { AccessGate } from './access/access-gate.ts'
import { imageSource, type ImagePolicy } from './access/allowed.ts'
import { sharingKey, type Permission } from './access/permission.ts'
import { ImageFetcher, type ByteListener } from './fetch/image-fetcher.ts'
import { explaining, ImageError } from './fetch/image-error.ts'
import { loadArchive } from './fetch/load-archive.ts'
import { RegistryPatience, type PatienceOptions } from './fetch/registry-patience.ts'
import { storedBytes } from './manifest.ts'
import { RegistryClient } from './registry/registry-client.ts'
import { readRemoteImage } from './registry/remote-image.ts'
import type { ImagesOfJobs } from './store/garbage-collection.ts'
import { ImageStore, notInLocalStore } from './store/image-store.ts'
import type {
  ImageDescription,
  ImageProgress,
  LoadProgress,
  LocalImage,
  LocalImages,
  PreparedImage,
} from './store/local-images.ts'

/** Options of {@link LocalImages.prepare}. */
type PrepareOptions = Parameters<LocalImages['prepare']>[1]

/** Settings of {@link MachineImages}. */
export interface MachineImagesOptions {
  /** DATA/images; created when missing. */
  readonly folder: string
  readonly policy: ImagePolicy
  readonly log: Pick<Logger, 'info'>
  /** Bytes on the disk above which fetched images are deleted, the least recently used first. @defaultValue no limit */
  readonly limitBytes?: number
  /** Images that jobs are about to mount, although no mount shows it yet. They are not deleted. @defaultValue none */
  readonly ofJobs?: () => Promise<ImagesOfJobs>
  /** Milliseconds without a new byte after which a fetch ends. @defaultValue 120000 (2 minutes) */
  readonly stallMilliseconds?: number
  /** How long a registry is left alone after a failure. @defaultValue 5 seconds, doubled up to 30 */
  readonly patience?: PatienceOptions
}

/**
 * The images of this machine. Several processes may have them open at once.
 *
 * An image's digest is that of the manifest or index that its tag means in the registry. So a digest means the same on
 * every machine, and the same root file system on every machine of one architecture.
 */
export class MachineImages implements LocalImages {
  readonly #policy: ImagePolicy
  readonly #store: ImageStore
  readonly #gate: AccessGate
  readonly #fetcher: ImageFetcher
  readonly #patience: RegistryPatience

  private constructor(
    { policy, patience }: MachineImagesOptions,
    parts: { store: ImageStore; gate: AccessGate; fetcher: ImageFetcher },
  ) {
    this.#policy = policy
    this.#patience = new RegistryPatience(patience)
    this.#store = parts.store
    this.#gate = parts.gate
    this.#fetcher = parts.fetcher
  }

  /** Opens the folder and removes what killed processes left unfinished. */
  static async open(options: MachineImagesOptions): Promise<MachineImages> {
    const { policy, log, limitBytes, ofJobs = async () => [], stallMilliseconds = 120_000 } = options
    const folder = resolve(options.folder)
    const store = await ImageStore.open({ folder, log, limitBytes, ofJobs })
    const cache = new AccessCache(join(folder, 'grants'))
    await cache.open()
    const gate = new AccessGate({ policy, cache, loadedDigest: (reference) => store.loadedDigest(reference) })
    const fetcher = new ImageFetcher({ store, policy, stallMilliseconds })
    return new MachineImages(options, { store, gate, fetcher })
  }

  async prepare(reference: ImageReference, options: PrepareOptions): Promise<PreparedImage> {
    const { digest, registryAuth, signal } = options
    signal.throwIfAborted()
    if (isLocal(reference)) return this.#prepare(reference, options)
    const key = sharingKey(JSON.stringify([printReference(reference), digest]), registryAuth)
    return this.#patience.try(key, () => this.#prepare(reference, options))
  }

  async #prepare(reference: ImageReference, options: PrepareOptions): Promise<PreparedImage> {
    const { signal } = options
    // 1. The gate says which image the caller may have.
    const permission = await this.#gate.permission(reference, options)
    const { digest } = permission
    let unpacked = await this.#store.unpacked(digest)
    if (unpacked === undefined) {
      // 2. The fetcher brings it to the disk.
      if (!(await this.#store.layouts.has(digest))) await this.#fetch(reference, permission, options)
      // 3. The store unpacks it.
      options.onProgress?.('Unpacking', `Unpacking image "${printReference(reference)}"`)
      unpacked = await this.#store.unpack(digest, reference, signal)
    }
    // 4. This name may be new for a known image.
    if (!isLocal(reference)) await this.#store.addName(reference, digest, permission.registryAuth === undefined)
    return { ...unpacked.image, reference }
  }

  async #fetch(
    reference: ImageReference,
    permission: Permission,
    { signal, onProgress, onBytes }: { signal: AbortSignal; onProgress?: ImageProgress; onBytes?: ByteListener },
  ): Promise<void> {
    const image = printReference(reference)
    if (isLocal(reference))
      throw new ImageError({
        code: 'image-not-found',
        message: `The local store no longer has the image ${image} with the digest ${permission.digest}.`,
        hint: 'Load the image again, or submit the job again to run what the tag means now.',
      })
    onProgress?.('Pulling', `Pulling image "${image}"`)
    const started = performance.now()
    const sizeBytes = await this.#fetcher.fetch(reference, permission, signal, onBytes)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    onProgress?.('Pulled', `Pulled image "${image}" in ${seconds} s, ${(sizeBytes / 1024 ** 2).toFixed(1)} MiB`)
  }

  async resolve(reference: ImageReference, options: { registryAuth?: string; signal: AbortSignal }): Promise<string> {
    return (await this.#gate.permission(reference, options)).digest
  }

  async describe(
    reference: ImageReference,
    options: { registryAuth?: string | undefined; signal: AbortSignal },
  ): Promise<ImageDescription> {
    const { signal } = options
    const { digest, registryAuth } = await this.#gate.permission(reference, options)
    if (await this.#store.layouts.has(digest)) return this.#store.describe(digest)
    if (isLocal(reference)) throw notInLocalStore(reference)
    const { tokenHosts = {} } = this.#policy
    const source = imageSource(reference, this.#policy)
    const image = printReference(reference)
    return explaining({ image, registry: source.registry, host: reference.registry }, signal, async () => {
      const registry = new RegistryClient({ source, credentials: registryAuth, tokenHosts, signal })
      const { config, manifest, fits } = await readRemoteImage(registry, source.path, digest)
      return { ...config, digest, sizeBytes: storedBytes(manifest), here: false, fits }
    })
  }

  async load(
    archive: string,
    reference: ImageReference,
    options: { signal: AbortSignal; onProgress?: LoadProgress },
  ): Promise<string> {
    this.#gate.requireAllowed(reference)
    return loadArchive(archive, reference, this.#store, options)
  }

  async describeStored(reference: ImageReference): Promise<ImageDescription> {
    return this.#store.describe((await this.#store.record(reference)).digest)
  }

  async list(): Promise<readonly LocalImage[]> {
    const records = await this.#store.records.list()
    return records.map((record) => ({ ...record, reference: printReference(record.reference) }))
  }

  bytesUsed(): Promise<number> {
    return this.#store.bytesUsed()
  }

  async remove(reference: ImageReference): Promise<void> {
    await this.#store.remove(reference)
  }
}
