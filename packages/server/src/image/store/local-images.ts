import type { ImageReference } from '../../job/image-reference.ts'
import type { ImageConfig } from '../manifest.ts'

/** An image on this machine's disk, ready to be the lower layer of containers. */
export interface PreparedImage {
  readonly reference: ImageReference
  /** Digest of the manifest or index that the tag meant, `sha256:…`. */
  readonly digest: string
  /** Absolute path of the unpacked root file system. All containers of the image share it; nothing writes to it. */
  readonly rootfs: string
  /** From the image's configuration; empty where it has none. */
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  /** `KEY=value` lines. */
  readonly env: readonly string[]
  /** Empty where the image has none. */
  readonly workingDir: string
  /** Contents of the image's /etc/passwd and /etc/group, read at unpack time without following links; '' if none. */
  readonly passwd: string
  readonly group: string
}

/** Receives the steps of {@link LocalImages.prepare}, with the reasons that Kubernetes gives its events. */
export type ImageProgress = (reason: 'Pulling' | 'Pulled' | 'Unpacking', message: string) => void

/** Receives the steps of {@link LocalImages.load}. */
export type LoadProgress = (step: 'Loading' | 'Unpacking', message: string) => void

/** What is known of an image without running it. */
export interface ImageDescription extends ImageConfig {
  /** Of the manifest or index that the tag means now. */
  readonly digest: string
  /** Bytes of the image's layers and configuration as stored, usually compressed. */
  readonly sizeBytes: number
  /** Whether it is on this machine's disk. */
  readonly here: boolean
  /** Whether it is built for this machine. */
  readonly fits: boolean
}

/** A row of {@link LocalImages.list}, for views. */
export interface LocalImage {
  readonly reference: string
  readonly digest: string
  /** Bytes of the image's layers and configuration as stored, usually compressed. */
  readonly sizeBytes: number
  /** Whether every user may see it: it was loaded by hand, or fetched without credentials. */
  readonly public: boolean
  /** The kinds of session that it is made for. */
  readonly types: readonly string[]
  /** Milliseconds since the epoch. */
  readonly loadedAt: number
}

/** The images of one machine: fetched from registries or loaded from archives, unpacked once, shared by all jobs. */
export interface LocalImages {
  /**
   * Brings the image to the disk, unpacked, and returns it. Callers share one fetch and one unpacking, which continue while
   * at least one caller waits. An image that is present takes no process. With `digest` a present image takes no request
   * to its registry while the registry's last yes is fresh.
   *
   * @throws {ImageError} when the image cannot be had, with `retryAt` where its registry is asked again later; the signal's
   * reason when aborted.
   */
  prepare(
    reference: ImageReference,
    options: {
      digest?: string
      /** `user:password` for the image's registry. */
      registryAuth?: string
      signal: AbortSignal
      onProgress?: ImageProgress
      /** Receives about once a second how many bytes of how many have been fetched. */
      onBytes?: (bytes: number, totalBytes: number) => void
    },
  ): Promise<PreparedImage>
  /** The digest that a reference means now. @throws {ImageError} */
  resolve(reference: ImageReference, options: { registryAuth?: string; signal: AbortSignal }): Promise<string>
  /**
   * Puts an image of an OCI or docker archive into the local store as `localhost/name:tag`, unpacked, and returns its digest.
   * `FILE:NAME` chooses one of several images. Another
   * process may call it while the server runs. A load that fails or is interrupted adds nothing. @throws {ImageError}
   */
  load(
    archive: string,
    as: ImageReference,
    options: { signal: AbortSignal; onProgress?: LoadProgress },
  ): Promise<string>
  /** Describes an image from the disk or, where it is not there, from its registry. @throws {ImageError} */
  describe(
    reference: ImageReference,
    options: { registryAuth?: string | undefined; signal: AbortSignal },
  ): Promise<ImageDescription>
  /** Describes an image on the disk without access control, for operators. @throws {ImageError} */
  describeStored(reference: ImageReference): Promise<ImageDescription>
  /** The local store's tags and the names of fetched images, sorted by reference. */
  list(): Promise<readonly LocalImage[]>
  /** Bytes of all images on the disk. */
  bytesUsed(): Promise<number>
  /** Removes a name; deletes the image once no other name and no container needs it. @throws {ImageError} when there is no such image */
  remove(reference: ImageReference): Promise<void>
}
