import type { ImageConfig } from '../manifest.ts'

/** An image on this machine's disk, ready to be the lower layer of containers. */
export interface PreparedImage {
  /** As the user wrote it. */
  readonly reference: string
  /** Digest of the manifest or index that the tag meant, `sha256:…`. */
  readonly digest: string
  /** Absolute path of the unpacked root: shared by all containers of the image, never written to. */
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

/** What {@link LocalImages.prepare} tells while it works, in the words Kubernetes uses for its events. */
export type ImageProgress = (reason: 'Pulling' | 'Pulled' | 'Unpacking', message: string) => void

/** All there is to know of an image without running it. */
export interface ImageDescription extends ImageConfig {
  /** Of the manifest or index that the tag means now. */
  readonly digest: string
  /** Bytes of the image's layers and configuration as they are stored, usually compressed. */
  readonly sizeBytes: number
  /** Whether it is on this machine's disk. */
  readonly here: boolean
  /** Whether it is made for this machine. */
  readonly fits: boolean
}

/** A row of {@link LocalImages.list}. */
export interface LocalImage {
  readonly reference: string
  readonly digest: string
  /** Bytes of the image's layers and configuration as they are stored, usually compressed. */
  readonly sizeBytes: number
  /** Whether anybody may know of it: it was loaded by hand, or fetched without credentials. */
  readonly public: boolean
  /** What it is made for. */
  readonly types: readonly string[]
  /** Milliseconds since the epoch. */
  readonly loadedAt: number
}

/** The images of one machine: fetched from registries or loaded from archives, unpacked once, shared by all jobs. */
export interface LocalImages {
  /**
   * Makes the image present and returns it. Several callers share one fetch and one unpack; it goes on while one of them
   * still wants it. A present image costs no process. With `digest` no registry is asked when that image is present.
   *
   * @throws ImageError when the image cannot be had; the signal's reason when aborted.
   */
  prepare(
    reference: string,
    options: {
      digest?: string
      /** `user:password` for the image's registry. */
      registryAuth?: string
      signal: AbortSignal
      onProgress?: ImageProgress
      /** Told about once a second how many bytes of how many have been fetched. */
      onBytes?: (bytes: number, totalBytes: number) => void
    },
  ): Promise<PreparedImage>
  /** The digest that a reference means now. @throws ImageError */
  resolve(reference: string, options: { registryAuth?: string; signal: AbortSignal }): Promise<string>
  /**
   * Puts an OCI or docker archive into the local store as `localhost/name:tag` and returns its digest. May be called from
   * another process while the server runs. @throws ImageError
   */
  load(archive: string, as: string, signal: AbortSignal): Promise<string>
  /** What the image is, from the disk or, where it is not here, from its registry. @throws ImageError */
  describe(
    reference: string,
    options: { registryAuth?: string | undefined; signal: AbortSignal },
  ): Promise<ImageDescription>
  /** The same of an image on the disk, asking no registry who may know: for the operators. @throws ImageError */
  describeStored(reference: string): Promise<ImageDescription>
  /** The local store's tags and what was fetched from registries, sorted by reference. */
  list(): Promise<readonly LocalImage[]>
  /** What all of it takes on the disk. */
  bytesUsed(): Promise<number>
  /** Forgets the reference; frees what no other reference and no running container needs. @throws ImageError when there is no such image. */
  remove(reference: string): Promise<void>
}
