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

/** A row of {@link LocalImages.list}. */
export interface LocalImage {
  readonly reference: string
  readonly digest: string
  /** Bytes of the image's layers and configuration as they are stored, usually compressed. */
  readonly sizeBytes: number
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
    },
  ): Promise<PreparedImage>
  /** The digest that a reference means now. @throws ImageError */
  resolve(reference: string, options: { registryAuth?: string; signal: AbortSignal }): Promise<string>
  /**
   * Puts an OCI or docker archive into the local store as `localhost/name:tag` and returns its digest. May be called from
   * another process while the server runs. @throws ImageError
   */
  load(archive: string, as: string, signal: AbortSignal): Promise<string>
  /** The local store's tags and what was fetched from registries, sorted by reference. */
  list(): Promise<readonly LocalImage[]>
  /** Forgets the reference; frees what no other reference and no running container needs. @throws ImageError when there is no such image. */
  remove(reference: string): Promise<void>
}
