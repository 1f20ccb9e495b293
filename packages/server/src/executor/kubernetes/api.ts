import { Agent, request as httpsRequest, type RequestOptions } from 'node:https'
import { createSecureContext, type SecureContext } from 'node:tls'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeConfig } from '@kubernetes/client-node'
import type { Logger } from 'pino'

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

/** Whether the API server says that there is no such object. */
export const isGone = (error: unknown): boolean => error instanceof ApiError && error.status === 404

/** Connections that are not needed just now are kept, but not as many as many logs at once have needed. */
const newAgent = (): Agent => new Agent({ keepAlive: true, maxFreeSockets: 32 })

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

/**
 * The Kubernetes API over HTTPS with the identity of a kubeconfig. The official client finds and refreshes the identity; its generated
 * classes are left out, since they copy every object of a listing twice and open a connection for every request.
 */
export class KubernetesApi {
  readonly #config: KubeConfig
  readonly #log: Logger
  #agent = newAgent()
  readonly #timeoutMs: number
  readonly #waiting: (() => void)[] = []
  #free: number
  #answers = true
  #secure: { readonly identity: string; readonly context: SecureContext } | undefined

  constructor(config: KubeConfig, { log, concurrency = 16, timeoutSeconds = 30 }: ApiOptions) {
    this.#config = config
    this.#log = log
    this.#free = concurrency
    this.#timeoutMs = timeoutSeconds * 1000
  }

  /** Reads. @throws {ApiError} */
  get<T>(path: string, options: ApiRequest): Promise<T> {
    return this.#send<T>('GET', path, options)
  }

  /** Reads, and tries again for as long as the failure is one that passes. @throws {ApiError} for any other. */
  getPatiently<T>(path: string, options: ApiRequest): Promise<T> {
    return this.#patiently(options.signal, () => this.get<T>(path, options))
  }

  /** Creates an object; tries again while the failure passes, so that an earlier try may have succeeded: 409. @throws {ApiError} */
  create<T>(path: string, body: unknown, signal: AbortSignal): Promise<T> {
    return this.#change<T>('POST', path, { body, signal })
  }

  /** Changes some fields (RFC 7386); tries again while the failure passes. @throws {ApiError} */
  patch<T>(path: string, body: unknown, signal: AbortSignal): Promise<T> {
    return this.#change<T>('PATCH', path, { body, signal })
  }

  /** Deletes; one that is not there is no error. Tries again while the failure passes. @throws {ApiError} */
  async delete(path: string, body: unknown, signal: AbortSignal): Promise<void> {
    try {
      await this.#change('DELETE', path, { body, signal })
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }

  /** The body of an answer as it comes: logs and watches. @throws {ApiError} */
  async stream(path: string, options: ApiRequest): Promise<IncomingMessage> {
    const response = await this.#open('GET', path, options, 0)
    if (response.statusCode === 200) return response
    throw errorOf(response, await textOf(response))
  }

  /** The events of a watch, until it ends or the signal. @throws {ApiError} */
  async *watch<T>(path: string, { query, signal }: ApiRequest): AsyncIterable<{ type: string; object: T }> {
    const response = await this.stream(path, { query: { ...query, watch: true }, signal })
    let rest = ''
    response.setEncoding('utf8')
    for await (const chunk of response as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line !== '') yield JSON.parse(line) as { type: string; object: T }
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#agent.destroy()
  }

  #change<T>(method: string, path: string, options: ApiRequest): Promise<T> {
    return this.#patiently(options.signal, async () => {
      await this.#take()
      try {
        return await this.#send<T>(method, path, options)
      } finally {
        this.#give()
      }
    })
  }

  async #patiently<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      signal.throwIfAborted()
      try {
        const answer = await attempt()
        this.#answered()
        return answer
      } catch (error) {
        if (signal.aborted || !isPassing(error)) throw error
        if (tries > 1) this.#missed(error)
        const asked = error instanceof ApiError ? error.retryAfterSeconds : undefined
        const waitMs = asked === undefined ? Math.min(10_000, 200 * 2 ** tries) : asked * 1000
        await sleep(waitMs * (0.75 + Math.random() / 2), undefined, { signal })
      }
    }
  }

  #missed(error: unknown): void {
    if (this.#answers) this.#log.warn({ err: error }, 'the Kubernetes API does not answer; it is asked again')
    this.#answers = false
  }

  #answered(): void {
    if (!this.#answers) this.#log.info('the Kubernetes API answers again')
    this.#answers = true
  }

  async #send<T>(method: string, path: string, options: ApiRequest): Promise<T> {
    const response = await this.#open(method, path, options, this.#timeoutMs)
    const text = await textOf(response)
    const { statusCode = 0 } = response
    if (statusCode >= 200 && statusCode < 300) return JSON.parse(text) as T
    throw errorOf(response, text)
  }

  async #open(method: string, path: string, options: ApiRequest, timeoutMs: number): Promise<IncomingMessage> {
    const { query = {}, body, signal } = options
    const cluster = this.#config.getCurrentCluster()
    if (cluster === null) throw new Error('The kubeconfig has no current context, or its cluster is not in it.')
    const url = new URL(cluster.server.replace(/\/+$/, '') + path)
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, String(value))
    const settings: RequestOptions & { secureContext?: SecureContext } = { method, signal, timeout: timeoutMs }
    await this.#config.applyToHTTPSOptions(settings)
    // The one that the library makes keeps no connection; only a proxy needs it.
    if (cluster.proxyUrl === undefined && url.protocol === 'https:') {
      settings.agent = this.#agent
      settings.secureContext = this.#secureContext(settings)
    }
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const headers: Record<string, string | number> = { accept: 'application/json' }
    for (const [name, value] of Object.entries((settings.headers ?? {}) as Record<string, string>))
      headers[name] = value
    if (payload !== undefined) {
      headers['content-type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
      headers['content-length'] = Buffer.byteLength(payload)
    }
    return new Promise((resolve, reject) => {
      const agent = this.#agent
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest
      const call = send(url, { ...settings, headers }, resolve)
      call.on('timeout', () => {
        // Where one connection is dead without a word, those that were opened with it are too: none of them is used again.
        if (agent === this.#agent) this.#agent = newAgent()
        call.destroy(new Error(`no answer within ${timeoutMs / 1000} s`))
        agent.destroy()
      })
      call.on('error', (error) => {
        if (signal.aborted) reject(signal.reason as Error)
        else reject(new ApiError(0, '', `${method} ${path}: ${error.message}`, undefined, { cause: error }))
      })
      call.end(payload)
    })
  }

  /** What all connections share as long as the identity stays: one for each connection would be half of what that takes. */
  #secureContext({ ca, cert, key, pfx, passphrase }: RequestOptions): SecureContext {
    const identity = [ca, cert, key, pfx, passphrase].map(String).join('\n')
    if (this.#secure?.identity !== identity) {
      const context = createSecureContext({ ca, cert, key, pfx, passphrase })
      this.#secure = { identity, context }
    }
    return this.#secure.context
  }

  async #take(): Promise<void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  } catch (error) {
    throw new ApiError(0, '', `the answer broke off: ${(error as Error).message}`, undefined, { cause: error })
  }
  return Buffer.concat(chunks).toString()
}

/** The API server explains itself in a Status object; a proxy before it may not. */
function errorOf(response: IncomingMessage, text: string): ApiError {
  const { statusCode = 0, headers } = response
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
