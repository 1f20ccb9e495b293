import { printReference, type ImageReference } from '../../job/image-reference.ts'
import { SingleFlight } from '../../lib/single-flight.ts'
import { imageSource, type ImagePolicy } from '../access/allowed.ts'
import { sharingKey, type Permission } from '../access/permission.ts'
import type { ImageStore } from '../store/image-store.ts'
import { fetchImage } from './fetch-image.ts'
import { explaining } from './image-error.ts'

/** Receives how many bytes of how many have been fetched. */
export type ByteListener = (bytes: number, totalBytes: number) => void

/** Settings of {@link ImageFetcher}. */
export interface ImageFetcherOptions {
  readonly store: ImageStore
  readonly policy: ImagePolicy
  /** Milliseconds without a new byte after which a fetch ends. */
  readonly stallMilliseconds: number
}

/** Fetches images from registries into the store. Callers that want the same image at once share one fetch. */
export class ImageFetcher {
  readonly #options: ImageFetcherOptions
  readonly #fetches = new SingleFlight<number>()
  readonly #listeners = new Map<string, Set<ByteListener>>()

  constructor(options: ImageFetcherOptions) {
    this.#options = options
  }

  /** Fetches an image that the caller may have. Returns its compressed size in bytes. @throws {ImageError} */
  async fetch(
    reference: ImageReference,
    { digest, registryAuth }: Permission,
    signal: AbortSignal,
    onBytes?: ByteListener,
  ): Promise<number> {
    // Credentials belong to the key: a wrong password must not fail the fetch of another user.
    const key = sharingKey(digest, registryAuth)
    const listeners = this.#listeners.get(key) ?? new Set()
    this.#listeners.set(key, listeners)
    if (onBytes !== undefined) listeners.add(onBytes)
    try {
      return await this.#fetches.join(key, signal, (shared) =>
        this.#fetch(reference, { digest, registryAuth }, shared, (bytes, totalBytes) => {
          for (const listener of listeners) listener(bytes, totalBytes)
        }),
      )
    } finally {
      if (onBytes !== undefined) listeners.delete(onBytes)
      if (listeners.size === 0) this.#listeners.delete(key)
    }
  }

  async #fetch(
    reference: ImageReference,
    { digest, registryAuth }: Permission,
    signal: AbortSignal,
    onBytes: ByteListener,
  ): Promise<number> {
    const { store, policy, stallMilliseconds } = this.#options
    const { layouts, records, temporaries } = store
    const image = printReference(reference)
    const source = imageSource(reference, policy)
    const room = store.roomFor(image)
    const wanted = { image, source, digest, registryAuth, tokenHosts: policy.tokenHosts, stallMilliseconds }
    return explaining({ image, registry: source.registry, host: reference.registry }, signal, () =>
      temporaries.use(async (temporary) => {
        const fetched = await fetchImage({ ...wanted, room, onBytes }, layouts, temporary, signal)
        const record = { reference, digest, ...fetched, public: registryAuth === undefined }
        await records.write({ ...record, loadedAt: Date.now() }, temporary)
        return fetched.sizeBytes
      }),
    )
  }
}
