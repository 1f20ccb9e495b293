import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { Agent, type Dispatcher, ProxyAgent } from 'undici'
import type { Identity, IdentitySource } from '../credentials/kubeconfig.ts'
import { Semaphore } from '../../../lib/semaphore.ts'

/** What the API server answered instead of what was asked for. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** HTTP status; 0 when there was no answer. */
  readonly status: number
  /** The API's own word, such as `AlreadyExists`; '' where it gave none. */
  readonly reason: string
  /** What it asked to wait before the next try. */
  readonly retryAfterSeconds: number | undefined

  constructor(status: number, reason: string, message: string, retryAfterSeconds?: number, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.reason = reason
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** Whether an error says that the same request may well succeed later: no answer, too many requests, a server that starts or stops. */
export const isPassing = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500)

/** Likewise, of a change of something that others change too. */
const isPassingOrConflict = (error: unknown): boolean =>
  isPassing(error) || (error instanceof ApiError && error.status === 409)

/**
 * Whether the API server does not know (any more) who asks, or what they may do. RBAC's words are matched, since a quota and
 * an admission policy answer 403 too. A server that has just started refuses everybody until it has read all roles.
 */
const isRefusal = (error: unknown): boolean =>
  error instanceof ApiError &&
  (error.status === 401 || (error.status === 403 && / cannot \w+ resource /.test(error.message)))

/** Whether the API server says that there is no such object. */
export const isGone = (error: unknown): boolean => error instanceof ApiError && error.status === 404

/** Milliseconds for which an identity is taken for true: files with tokens and certificates are written anew now and then. */
const identityMs = 60_000

/** Who one is, as it was found at a time. */
interface HeldIdentity {
  readonly found: Promise<Identity>
  readonly at: number
}

/** What {@link KubernetesApi} needs beside a kubeconfig. */
export interface ApiOptions {
  readonly log: Logger
  /** Requests that change something at once. @defaultValue 16 */
  readonly concurrency?: number
  /** Seconds after which a request without an answer counts as lost. @defaultValue 30 */
  readonly timeoutSeconds?: number
}

/** A request to the API server. */
export interface ApiRequest {
  readonly query?: Readonly<Record<string, string | number | boolean>>
  readonly body?: unknown
  /** Ends it, also while it waits to try again. */
  readonly signal: AbortSignal
}

/** Is told of a request that has failed more than twice, each time that it fails; it is tried again. */
export type OnTrouble = (error: ApiError) => void

/**
 * The Kubernetes API with the identity of a kubeconfig. All requests, watches and logs share a few connections, as HTTP/2 has it where the
 * API server speaks it: each of its own would take more memory than what is known of a job.
 */
export class KubernetesApi {
  readonly #source: IdentitySource
  readonly #log: Logger
  readonly #timeoutMs: number
  readonly #changes: Semaphore
  #answers = true
  /** Whether it was ever let in: what it is refused later passes. */
  #wasLetIn = false
  #identity: HeldIdentity | undefined
  #connections: { identity: Identity; readonly dispatcher: Dispatcher } | undefined

  constructor(source: IdentitySource, { log, concurrency = 16, timeoutSeconds = 30 }: ApiOptions) {
    this.#source = source
    this.#log = log
    this.#changes = new Semaphore(concurrency)
    this.#timeoutMs = timeoutSeconds * 1000
  }

  /** Reads. @throws {ApiError} */
  get<T>(path: string, options: ApiRequest): Promise<T> {
    return this.#send<T>('GET', path, options)
  }

  /** Reads, and tries again for as long as the failure is one that passes. @throws {ApiError} for any other. */
  getPatiently<T>(path: string, options: ApiRequest): Promise<T> {
    return this.#patiently(options.signal, isPassing, () => this.get<T>(path, options))
  }

  /** Creates an object; tries again while the failure passes, so that an earlier try may have succeeded: 409. @throws {ApiError} */
  create<T>(path: string, body: unknown, signal: AbortSignal, onTrouble?: OnTrouble): Promise<T> {
    return this.#change<T>('POST', path, { body, signal }, isPassing, onTrouble)
  }

  /** Changes some fields (RFC 7386); tries again while the failure passes. @throws {ApiError} */
  patch<T>(path: string, body: unknown, signal: AbortSignal): Promise<T> {
    return this.#change<T>('PATCH', path, { body, signal }, isPassingOrConflict)
  }

  /** Deletes; one that is not there is no error. Tries again while the failure passes. @throws {ApiError} */
  async delete(path: string, body: unknown, signal: AbortSignal): Promise<void> {
    try {
      await this.#change('DELETE', path, { body, signal }, isPassingOrConflict)
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }

  /** The body of an answer as it comes: logs and watches. @throws {ApiError} also where it breaks off. */
  async *stream(path: string, options: ApiRequest): AsyncIterable<Uint8Array> {
    const response = await this.#open('GET', path, options, 0)
    if (response.statusCode !== 200) throw errorOf(response, await textOf(response))
    try {
      yield* response.body as AsyncIterable<Uint8Array>
    } catch (error) {
      throw options.signal.aborted ? options.signal.reason : brokenOff(error)
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

  /** Ends all connections. */
  close(): void {
    void this.#connections?.dispatcher.destroy()
    this.#connections = undefined
  }

  #change<T>(
    method: Dispatcher.HttpMethod,
    path: string,
    request: ApiRequest,
    passes: (error: unknown) => boolean,
    onTrouble?: OnTrouble,
  ): Promise<T> {
    const { signal } = request
    return this.#patiently(
      signal,
      (error) => passes(error) || (this.#wasLetIn && isRefusal(error)),
      () => this.#changes.take(signal, () => this.#send<T>(method, path, request)),
      onTrouble,
    )
  }

  async #patiently<T>(
    signal: AbortSignal,
    passes: (error: unknown) => boolean,
    attempt: () => Promise<T>,
    onTrouble?: OnTrouble,
  ): Promise<T> {
    for (let tries = 0; ; tries++) {
      signal.throwIfAborted()
      try {
        const answer = await attempt()
        this.#answered()
        return answer
      } catch (error) {
        if (signal.aborted || !passes(error) || !(error instanceof ApiError)) throw error
        if (tries > 1) {
          this.#missed(error)
          onTrouble?.(error)
        }
        const asked = error.retryAfterSeconds
        const waitMs = asked === undefined ? Math.min(10_000, 200 * 2 ** tries) : asked * 1000
        // Not all at the same moment, and never before the moment asked for.
        await sleep(waitMs * (1 + Math.random() / 2), undefined, { signal })
      }
    }
  }

  #missed(error: unknown): void {
    if (this.#answers)
      this.#log.warn({ err: error }, 'the Kubernetes API does not do what it is asked; it is asked again')
    this.#answers = false
  }

  #answered(): void {
    if (!this.#answers) this.#log.info('the Kubernetes API does what it is asked again')
    this.#answers = true
  }

  async #send<T>(method: Dispatcher.HttpMethod, path: string, options: ApiRequest): Promise<T> {
    const response = await this.#open(method, path, options, this.#timeoutMs)
    const text = await textOf(response)
    const { statusCode } = response
    if (statusCode >= 200 && statusCode < 300) {
      this.#wasLetIn = true
      return JSON.parse(text) as T
    }
    throw errorOf(response, text)
  }

  async #open(
    method: Dispatcher.HttpMethod,
    path: string,
    options: ApiRequest,
    timeoutMs: number,
  ): Promise<Dispatcher.ResponseData> {
    const held = this.#held()
    const response = await this.#request(held, method, path, options, timeoutMs)
    if (response.statusCode !== 401) return response
    // What one knew of oneself may have been replaced since. Of many that are refused at once the first finds it anew.
    const isLatest = this.#identity === held
    if (isLatest && Date.now() - held.at < 1000) return response
    await response.body.dump()
    return this.#request(isLatest ? this.#find(true) : this.#held(), method, path, options, timeoutMs)
  }

  async #request(
    { found }: HeldIdentity,
    method: Dispatcher.HttpMethod,
    path: string,
    { query = {}, body, signal }: ApiRequest,
    timeoutMs: number,
  ): Promise<Dispatcher.ResponseData> {
    const identity = await found.catch((error: unknown) => {
      // Who was somebody will be again: files are written anew, plugins ask others.
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

  #held(): HeldIdentity {
    const now = Date.now()
    const held = this.#identity
    return held === undefined || now - held.at > identityMs || now < held.at ? this.#find(false) : held
  }

  #find(wasRefused: boolean): HeldIdentity {
    const held = { found: this.#source(wasRefused), at: Date.now() }
    this.#identity = held
    // What could not be found is looked for again by whoever asks next.
    held.found.catch(() => {
      if (this.#identity === held) this.#identity = undefined
    })
    return held
  }

  /** Connections, the same as long as certificates stay as they are; what goes on over the old ones then does so to its end. */
  #dispatcher(identity: Identity): Dispatcher {
    const last = this.#connections
    if (last !== undefined && (last.identity === identity || isSameWay(last.identity, identity))) {
      last.identity = identity
      return last.dispatcher
    }
    void last?.dispatcher.close()
    const dispatcher = connectionsOf(identity)
    this.#connections = { identity, dispatcher }
    return dispatcher
  }
}

/** Seconds after which a connection on which nothing comes is asked whether it is still one. */
const pingSeconds = 15

const isSameWay = (one: Identity, other: Identity): boolean =>
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
    throw brokenOff(error)
  }
}

const brokenOff = (error: unknown): ApiError =>
  new ApiError(0, '', `the answer broke off: ${(error as Error).message}`, undefined, { cause: error })

/** The API server explains itself in a Status object; a proxy before it may not. */
function errorOf({ statusCode, headers }: Dispatcher.ResponseData, text: string): ApiError {
  let status: { readonly reason?: string; readonly message?: string } = {}
  try {
    status = JSON.parse(text) as typeof status
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  const retryAfter = Number(headers['retry-after'])
  return new ApiError(
    statusCode,
    status.reason ?? '',
    status.message ?? `the API server answered ${statusCode}: ${text.slice(0, 300)}`,
    Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : undefined,
  )
}
