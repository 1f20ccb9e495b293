import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { Agent, type Dispatcher, ProxyAgent } from 'undici'
import { Semaphore } from '../../../lib/semaphore.ts'
import type { Identity, IdentitySource } from '../credentials/kubeconfig.ts'
import { ApiError, brokenConnection, errorOf, isConflict, isGone, isRefusal, isTransient } from './api-error.ts'
import { IdentityCache, type CachedIdentity } from './identity-cache.ts'

/** Settings of {@link KubernetesApi} beside its identity. */
export interface ApiOptions {
  readonly log: Logger
  /** Changes at once that have no limit of their own. @defaultValue 16 */
  readonly concurrency?: number
  /** Seconds after which a request without an answer has failed. @defaultValue 30 */
  readonly timeoutSeconds?: number
}

/** A request to the API server. */
export interface ApiRequest {
  readonly query?: Readonly<Record<string, string | number | boolean>>
  readonly body?: unknown
  /** Aborts the request, and the wait before a retry. */
  readonly signal: AbortSignal
}

/** Called at each failure of a request from the third on, before the retry. */
export type OnRetry = (error: ApiError) => void

/** How a change is sent. */
export interface ChangeOptions {
  readonly onRetry?: OnRetry
  /** Limits the requests of one purpose; absent: that of the client. */
  readonly limit?: Semaphore
  /** Whether a patch is sent again after a conflict. False for one with a resourceVersion. @defaultValue true */
  readonly retriesConflicts?: boolean
}

/** Milliseconds to the first retry, and the most between two tries. */
const backoffMs = { first: 200, most: 10_000 }

/** Seconds between two HTTP/2 pings on a connection: one without an answer is closed. */
const pingSeconds = 15

/**
 * A client of the Kubernetes API. All requests, watches and logs share a few HTTP/2 connections: a connection each would take
 * more memory than the cache needs for a job.
 */
export class KubernetesApi {
  readonly #identities: IdentityCache
  readonly #log: Logger
  readonly #timeoutMs: number
  readonly #changes: Semaphore
  #isAvailable = true
  /** Whether the API server has ever accepted the identity. A later refusal is transient. */
  #wasAccepted = false
  #connections: { identity: Identity; readonly dispatcher: Dispatcher } | undefined

  constructor(source: IdentitySource, { log, concurrency = 16, timeoutSeconds = 30 }: ApiOptions) {
    this.#identities = new IdentityCache(source)
    this.#log = log
    this.#changes = new Semaphore(concurrency)
    this.#timeoutMs = timeoutSeconds * 1000
  }

  /** Reads once. @throws {ApiError} */
  get<T>(path: string, options: ApiRequest): Promise<T> {
    return this.#send<T>('GET', path, options)
  }

  /** Reads; retries with backoff after transient failures. @throws {ApiError} after any other. */
  getWithRetry<T>(path: string, options: ApiRequest): Promise<T> {
    return this.#retry(options.signal, isTransient, () => this.get<T>(path, options))
  }

  /**
   * Creates an object; retries with backoff after transient failures. A try without an answer may have succeeded: the next one
   * then fails with 409.
   *
   * @throws {ApiError}
   */
  create<T>(path: string, body: unknown, signal: AbortSignal, options?: ChangeOptions): Promise<T> {
    return this.#change<T>('POST', path, { body, signal }, isTransient, options)
  }

  /** Changes some fields (RFC 7386); retries with backoff after transient failures and conflicts. @throws {ApiError} */
  patch<T>(path: string, body: unknown, signal: AbortSignal, options?: ChangeOptions): Promise<T> {
    const isRetried = options?.retriesConflicts === false ? isTransient : isTransientOrConflict
    return this.#change<T>('PATCH', path, { body, signal }, isRetried, options)
  }

  /** Deletes; an object that does not exist is no error. Retries like {@link patch}. @throws {ApiError} */
  async delete(path: string, body: unknown, signal: AbortSignal, options?: ChangeOptions): Promise<void> {
    try {
      await this.#change('DELETE', path, { body, signal }, isTransientOrConflict, options)
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }

  /** The body of an answer, in chunks as they arrive: logs and watches. @throws {ApiError} also when the connection breaks. */
  async *stream(path: string, options: ApiRequest): AsyncIterable<Uint8Array> {
    const response = await this.#open('GET', path, options, 0)
    if (response.statusCode !== 200) throw errorOf(response, await textOf(response))
    try {
      yield* response.body as AsyncIterable<Uint8Array>
    } catch (error) {
      throw options.signal.aborted ? options.signal.reason : brokenConnection(error)
    }
  }

  /** The events of a watch, until it ends or the signal. @throws {ApiError} */
  async *watch<T>(path: string, { query, signal }: ApiRequest): AsyncIterable<{ type: string; object: T }> {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of this.stream(path, { query: { ...query, watch: true }, signal })) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line !== '') yield JSON.parse(line) as { type: string; object: T }
    }
  }

  /** Closes all connections. */
  close(): void {
    void this.#connections?.dispatcher.destroy()
    this.#connections = undefined
  }

  #change<T>(
    method: Dispatcher.HttpMethod,
    path: string,
    request: ApiRequest,
    isRetried: (error: unknown) => boolean,
    { onRetry, limit = this.#changes }: ChangeOptions = {},
  ): Promise<T> {
    const { signal } = request
    return this.#retry(
      signal,
      (error) => isRetried(error) || (this.#wasAccepted && isRefusal(error)),
      // The wait for a retry takes no place of the semaphore.
      () => limit.take(signal, () => this.#send<T>(method, path, request)),
      onRetry,
    )
  }

  async #retry<T>(
    signal: AbortSignal,
    isRetried: (error: unknown) => boolean,
    send: () => Promise<T>,
    onRetry?: OnRetry,
  ): Promise<T> {
    for (let retries = 0; ; retries++) {
      signal.throwIfAborted()
      try {
        const answer = await send()
        this.#noteAvailable()
        return answer
      } catch (error) {
        if (signal.aborted || !isRetried(error) || !(error instanceof ApiError)) throw error
        // At the start nothing is known to work: an operator reads the first failure.
        if (retries > 1 || !this.#wasAccepted) this.#noteUnavailable(error)
        if (retries > 1) onRetry?.(error)
        const { retryAfterSeconds } = error
        const backoff = Math.min(backoffMs.most, backoffMs.first * 2 ** retries)
        const waitMs = retryAfterSeconds === undefined ? backoff : retryAfterSeconds * 1000
        // Jitter spreads the retries of many requests, and none comes before Retry-After.
        await sleep(waitMs * (1 + Math.random() / 2), undefined, { signal })
      }
    }
  }

  #noteUnavailable(error: ApiError): void {
    if (this.#isAvailable) this.#log.warn({ err: error }, 'Kubernetes API unavailable, retrying with backoff')
    this.#isAvailable = false
  }

  #noteAvailable(): void {
    if (!this.#isAvailable) this.#log.info('Kubernetes API available again')
    this.#isAvailable = true
  }

  async #send<T>(method: Dispatcher.HttpMethod, path: string, options: ApiRequest): Promise<T> {
    const response = await this.#open(method, path, options, this.#timeoutMs)
    const text = await textOf(response)
    const { statusCode } = response
    if (statusCode >= 200 && statusCode < 300) {
      this.#wasAccepted = true
      return JSON.parse(text) as T
    }
    throw errorOf(response, text)
  }

  /** Sends a request, and once more with an identity that was read again where the first was refused. */
  async #open(
    method: Dispatcher.HttpMethod,
    path: string,
    options: ApiRequest,
    timeoutMs: number,
  ): Promise<Dispatcher.ResponseData> {
    const cached = this.#identities.current()
    const response = await this.#request(cached, method, path, options, timeoutMs)
    if (response.statusCode !== 401) return response
    const reread = this.#identities.afterRefusal(cached)
    if (reread === undefined) return response
    await response.body.dump()
    return this.#request(reread, method, path, options, timeoutMs)
  }

  async #request(
    cached: CachedIdentity,
    method: Dispatcher.HttpMethod,
    path: string,
    { query = {}, body, signal }: ApiRequest,
    timeoutMs: number,
  ): Promise<Dispatcher.ResponseData> {
    const identity = await cached.identity.catch((error: unknown) => {
      // Credentials that were readable once will be again: files are rotated, and exec plugins may fail for a while.
      if (this.#connections === undefined) throw error
      throw new ApiError(0, '', (error as Error).message, undefined, { cause: error })
    })
    const url = new URL(identity.server + path)
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, String(value))
    const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    try {
      return await this.#dispatcher(identity).request({
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers: {
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': contentType }),
          ...identity.headers,
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      })
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw new ApiError(0, '', `${method} ${path}: ${(error as Error).message}`, undefined, { cause: error })
    }
  }

  /** The connections, new ones after a change of certificates or proxy. Requests on the old ones run to their end. */
  #dispatcher(identity: Identity): Dispatcher {
    const last = this.#connections
    if (last !== undefined && (last.identity === identity || sharesConnections(last.identity, identity))) {
      last.identity = identity
      return last.dispatcher
    }
    void last?.dispatcher.close()
    const dispatcher = connectionsOf(identity)
    this.#connections = { identity, dispatcher }
    return dispatcher
  }
}

const isTransientOrConflict = (error: unknown): boolean => isTransient(error) || isConflict(error)

const sharesConnections = (one: Identity, other: Identity): boolean =>
  one.proxyUrl === other.proxyUrl && isDeepStrictEqual(one.tls, other.tls)

function connectionsOf({ tls, proxyUrl }: Identity): Dispatcher {
  const options = { allowH2: true, h2Options: { pingInterval: pingSeconds * 1000 } }
  return proxyUrl === undefined
    ? new Agent({ ...options, connect: tls })
    : new ProxyAgent({ ...options, uri: proxyUrl, requestTls: tls })
}

async function textOf({ body }: Dispatcher.ResponseData): Promise<string> {
  try {
    return await body.text()
  } catch (error) {
    throw brokenConnection(error)
  }
}
