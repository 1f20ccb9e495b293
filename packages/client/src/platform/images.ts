import type {
  ImageInfo,
  ImageListQuery,
  ImagePage,
  ImagePull,
  ImageSummary,
  Registry,
  RegistryLogin,
  RegistryLoginResult,
} from '@science-platform/contract'
import { apiJson } from '../connection/api-json.ts'
import { serverAddresses } from '../connection/addresses.ts'
import { Connection, type Outgoing } from '../connection/connection.ts'
import { fullImageReference } from '../sessions/image-reference.ts'
import type { Abortable, JobsOptions } from '../jobs/jobs.ts'
import { pause } from '../connection/persistence.ts'
import { ProblemError } from '../connection/problem-error.ts'

/** Milliseconds between two requests for the progress of a fetch. */
const progressIntervalMs = 500

/**
 * Images and registries of this platform's own API. References may be short, as everywhere in this SDK. Every method throws
 * {@link ProblemError} when the server refuses and {@link UnreachableError} without an answer.
 */
export class Images {
  readonly #api: string
  readonly #connection: Connection

  constructor(options: JobsOptions) {
    this.#api = serverAddresses(options.url).api
    this.#connection = new Connection(options)
  }

  /** One page of the images in the registries and the local store. */
  async list(query: ImageListQuery = {}, { signal }: Abortable = {}): Promise<ImagePage> {
    const parameters = new URLSearchParams(
      Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
    ).toString()
    return (await this.#ask('GET', `/images${parameters === '' ? '' : `?${parameters}`}`, signal)) as ImagePage
  }

  /** All images that match a query, fetched page by page during iteration. `limit` is the size of a page. */
  async *listAll(query: ImageListQuery = {}, options: Abortable = {}): AsyncGenerator<ImageSummary> {
    for (let cursor = query.cursor; ;) {
      const page = await this.list({ ...query, ...(cursor === undefined ? {} : { cursor }) }, options)
      yield* page.images
      if (page.next === undefined) return
      cursor = page.next
    }
  }

  /** Details of an image, and its last use. */
  async get(reference: string, { signal }: Abortable = {}): Promise<ImageInfo> {
    return (await this.#ask('GET', this.#image(reference), signal)) as ImageInfo
  }

  /**
   * Lets the platform fetch an image before jobs need it, and yields the progress until the image is there or the fetch has
   * failed. The fetch continues after the loop is left.
   */
  async *pull(reference: string, { signal }: Abortable = {}): AsyncGenerator<ImagePull> {
    const address = `${this.#image(reference)}/pull`
    let pull = (await this.#ask('POST', address, signal)) as ImagePull
    for (;;) {
      yield pull
      if (pull.state === 'present' || pull.state === 'failed') return
      await pause(progressIntervalMs, signal)
      pull = (await this.#ask('GET', address, signal).catch((error: unknown) => {
        // A restarted server does not know the fetch any more.
        if (error instanceof ProblemError && error.status === 404) return this.#ask('POST', address, signal)
        throw error
      })) as ImagePull
    }
  }

  /** The registries that images may come from, with the caller's logins there. */
  async registries({ signal }: Abortable = {}): Promise<Registry[]> {
    return ((await this.#ask('GET', '/registries', signal)) as { registries: Registry[] }).registries
  }

  /** Stores credentials for a registry. The platform checks them there first unless `check` is false. */
  async logIn(registry: string, login: RegistryLogin, { signal }: Abortable = {}): Promise<RegistryLoginResult> {
    return (await this.#ask('PUT', this.#login(registry), signal, login)) as RegistryLoginResult
  }

  /** Deletes the credentials for a registry. */
  async logOut(registry: string, { signal }: Abortable = {}): Promise<void> {
    await this.#ask('DELETE', this.#login(registry), signal)
  }

  #image(reference: string): string {
    return `/images/${encodeURIComponent(fullImageReference(reference))}`
  }

  #login(registry: string): string {
    return `/registries/${encodeURIComponent(registry)}/login`
  }

  #ask(method: Outgoing['method'], path: string, signal?: AbortSignal, body?: object): Promise<unknown> {
    const content =
      body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    return apiJson(this.#connection, { method, url: `${this.#api}${path}`, ...content, ...(signal && { signal }) })
  }
}
