import { join } from 'node:path'
import type { Logger } from 'pino'
import { isLocal, printReference, type ImageReference } from '../../job/image-reference.ts'
import { SingleFlight } from '../../lib/single-flight.ts'
import { typesOf } from '../catalogue/image-types.ts'
import { explaining, ImageError } from '../fetch/image-error.ts'
import { wrongPlatform } from '../fetch/wrong-platform.ts'
import { fits, machineArchitecture, readConfig, storedBytes } from '../manifest.ts'
import { bytesUsed, collectGarbage, usedAtWhenRemoved, type ImagesOfJobs, type Storage } from './garbage-collection.ts'
import { Layouts, readLayout } from './layouts.ts'
import type { ImageDescription } from './local-images.ts'
import { ImageRecords, type ImageRecord } from './records.ts'
import { DiskRoom, NoRoom } from './disk-room.ts'
import { RootFileSystems, type RoomForImages, type UnpackedImage } from './root-file-systems.ts'
import type { UnpackedSizes } from './tar-sizes.ts'
import { Temporaries } from './temporaries.ts'

/** Settings of {@link ImageStore}. */
export interface ImageStoreOptions {
  /** DATA/images, an absolute path; created when missing. */
  readonly folder: string
  readonly log: Pick<Logger, 'info'>
  /** Bytes on the disk above which fetched images are deleted, the least recently used first. @defaultValue no limit */
  readonly limitBytes: number | undefined
  /** Images that jobs are about to mount, although no mount shows it yet. They are not deleted. */
  readonly ofJobs: () => Promise<ImagesOfJobs>
}

/**
 * The images on this machine's disk: names, layouts as fetched or loaded, and unpacked root file systems. Several processes
 * may use one folder at once. No method contacts a registry.
 */
export class ImageStore implements Storage {
  readonly folder: string
  readonly records: ImageRecords
  readonly layouts: Layouts
  readonly roots: RootFileSystems
  readonly temporaries: Temporaries
  readonly #options: ImageStoreOptions
  readonly #unpackings = new SingleFlight<UnpackedImage>()
  readonly #disk: DiskRoom
  #collection = Promise.resolve()

  private constructor(options: ImageStoreOptions) {
    const { folder } = options
    this.#options = options
    this.folder = folder
    this.records = new ImageRecords(join(folder, 'records'))
    this.layouts = new Layouts(join(folder, 'layouts'), join(folder, 'blobs'))
    this.roots = new RootFileSystems(join(folder, 'roots'))
    this.temporaries = new Temporaries(join(folder, 'temporary'))
    this.#disk = new DiskRoom(folder)
  }

  /** Opens the folder and removes what killed processes left unfinished. */
  static async open(options: ImageStoreOptions): Promise<ImageStore> {
    // skopeo and umoci read what follows a colon as the name of an image inside the layout.
    if (options.folder.includes(':'))
      throw new Error(`the image folder ${options.folder} has a colon in its path: choose another data directory`)
    const store = new ImageStore(options)
    await store.records.open()
    await store.layouts.open()
    await store.roots.open()
    await store.temporaries.open()
    // A process that was killed between two steps may have left blobs that no layout uses.
    await store.layouts.sweep()
    await store.collect()
    return store
  }

  /**
   * Deletes images that nothing needs, and more while the store exceeds its limit. Collections run one after the other:
   * two at once would each make room for both.
   *
   * @param expectedBytes bytes that are about to be written
   */
  collect(expectedBytes = 0): Promise<void> {
    this.#collection = this.#collection.catch(() => undefined).then(() => this.#collectNow(expectedBytes))
    return this.#collection
  }

  /** Room for an image on the disk; images that nothing needs make room where there is a limit. @param image for messages */
  roomFor(image: string): RoomForImages {
    return {
      diskBytes: () => this.#disk.diskBytes(),
      take: async (bytes, sizes) => {
        await this.collect(bytes)
        const missing = await this.#disk.missing(bytes)
        // Below the limit, too: the disk may have less room than the limit promises.
        if (missing > 0 && this.#options.limitBytes !== undefined)
          await this.collect(this.#options.limitBytes - (await this.bytesUsed()) + missing)
        return this.#disk.take(bytes).catch((error: unknown) => {
          throw error instanceof NoRoom ? noRoomFor(image, error, sizes) : error
        })
      },
    }
  }

  async #collectNow(expectedBytes: number): Promise<void> {
    const { limitBytes, ofJobs, log } = this.#options
    const { deleted, bytesUsed: used = 0 } = await collectGarbage(this, {
      now: Date.now(),
      limitBytes: limitBytes === undefined ? undefined : Math.max(0, limitBytes - expectedBytes),
      jobs: await ofJobs(),
    })
    if (deleted.length > 0) log.info({ deleted }, 'unused images deleted')
    if (limitBytes !== undefined && used > limitBytes)
      log.info({ bytesUsed: used, limitBytes }, 'images exceed their limit: the rest is in use or was loaded by hand')
  }

  /** The unpacked image that runs on this machine; undefined where it is not unpacked. */
  async unpacked(digest: string): Promise<UnpackedImage | undefined> {
    const image = await this.roots.find(digest)
    return image && fits(image.platform, machineArchitecture) ? image : undefined
  }

  /** Unpacks the layout of a digest, once for all callers. @throws {ImageError} with the reference in its message */
  unpack(digest: string, reference: ImageReference, signal: AbortSignal): Promise<UnpackedImage> {
    const name = printReference(reference)
    return this.#unpackings.join(digest, signal, (shared) =>
      explaining({ image: name }, shared, async () => {
        const layout = this.layouts.path(digest)
        const { platform } = readConfig((await readLayout(layout)).config)
        if (!fits(platform, machineArchitecture)) throw wrongPlatform(name, [platform])
        const room = this.roomFor(name)
        await this.temporaries.use((temporary) =>
          this.roots.unpack(layout, digest, temporary, { signal: shared, room }),
        )
        const image = await this.roots.find(digest)
        if (!image) throw new Error(`${this.roots.path(digest)} disappeared right after it was created`)
        if (this.#options.limitBytes !== undefined) await this.collect()
        return image
      }),
    )
  }

  /** The image as its stored layout describes it. */
  async describe(digest: string): Promise<ImageDescription> {
    const { manifest, config: bytes } = await readLayout(this.layouts.path(digest))
    const config = readConfig(bytes)
    const runsHere = fits(config.platform, machineArchitecture)
    return { ...config, digest, sizeBytes: storedBytes(manifest), here: true, fits: runsHere }
  }

  /**
   * The digest of an image that was loaded by hand. A digest in the reference must belong to a loaded image: the digest of
   * a fetched image grants no access to it.
   *
   * @throws {ImageError} when there is no such image
   */
  async loadedDigest(reference: ImageReference): Promise<string> {
    const { digest } = reference
    if (digest === undefined) {
      const record = await this.records.find(reference)
      if (record) return record.digest
    } else if ((await this.records.list()).some((record) => record.digest === digest && isLocal(record.reference)))
      return digest
    throw notInLocalStore(reference)
  }

  /** The record of a name. @throws {ImageError} when there is none */
  async record(reference: ImageReference): Promise<ImageRecord> {
    const record = await this.records.find(reference)
    if (record) return record
    throw new ImageError({
      code: 'image-not-found',
      message: `There is no image ${printReference(reference)} on this machine.`,
      hint: 'List the images on this machine: science-platform image list',
    })
  }

  /** Records a further name of a stored image, or that it is public now. */
  async addName(reference: ImageReference, digest: string, isPublic: boolean): Promise<void> {
    const known = await this.records.find(reference)
    if ((known?.digest === digest && (known.public || !isPublic)) || !(await this.layouts.has(digest))) return
    const { sizeBytes, labels } = await this.describe(digest)
    const record = { reference, digest, sizeBytes, types: typesOf(labels), public: isPublic }
    await this.temporaries.use((temporary) => this.records.write({ ...record, loadedAt: Date.now() }, temporary))
  }

  /** Removes a name. The image goes with its last name, as soon as no container and no job needs it. */
  async remove(reference: ImageReference): Promise<void> {
    const record = await this.record(reference)
    await this.records.remove(record.reference)
    const hasOtherName = (await this.records.list()).some(({ digest }) => digest === record.digest)
    if (!hasOtherName) await this.roots.setUsedAt(record.digest, usedAtWhenRemoved(Date.now())).catch(ignoreMissing)
    await this.collect()
  }

  /** Bytes of all images on the disk. */
  bytesUsed(): Promise<number> {
    return bytesUsed(this)
  }
}

function noRoomFor(image: string, { wantedBytes, freeBytes, keptBytes }: NoRoom, sizes?: UnpackedSizes): ImageError {
  const largest = sizes?.largest
  const file = largest === undefined ? '' : `, ${size(largest.bytes)} of it for the file ${largest.path}`
  const what = sizes === undefined ? 'to be fetched' : 'unpacked'
  const kept = `${size(keptBytes)} of them are kept for the database and for running jobs`
  return new ImageError({
    code: 'disk-full',
    message: `The image ${image} takes ${size(wantedBytes)} ${what}${file}. The platform's disk has ${size(freeBytes)} free; ${kept}.`,
    hint: 'Ask the operators of the platform to free space, or make the image smaller. Holes of sparse files count.',
  })
}

/** Bytes for reading. */
const size = (bytes: number): string =>
  bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** The error for an image that should be in the local store and is not. */
export const notInLocalStore = (reference: ImageReference): ImageError =>
  new ImageError({
    code: 'image-not-found',
    message: `The local store has no image ${printReference(reference)}.`,
    hint: 'Check the name, or load the image: science-platform image load ARCHIVE.tar --as localhost/NAME:TAG',
  })

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
