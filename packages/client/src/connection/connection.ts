import { environmentHere, fetchByEnvironment, proxyOf, proxyText } from './proxy.ts'
import { registryAuthHeader, type RegistryCredentials } from './registry-auth.ts'
import { fetchFailureReason, UnreachableError } from './unreachable-error.ts'

/** Options of every client of this SDK. */
export interface ConnectionOptions {
  /** The bearer token. */
  readonly token: string
  /** Credentials for private images. Left out: none. */
  readonly registry?: RegistryCredentials
  /** Most requests at once, from 1. @defaultValue 32 */
  readonly concurrency?: number
  /** Seconds without a byte after which a request fails. @defaultValue 30 */
  readonly timeoutSeconds?: number
  /** Replaces the global `fetch`, for tests or logging. @defaultValue {@link fetchByEnvironment}, which honours HTTPS_PROXY */
  readonly fetch?: typeof globalThis.fetch
}

/** One request, as data. */
export interface Outgoing {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal | undefined
  /** Overrides the connection's timeout, for requests that the server answers late on purpose. */
  readonly timeoutSeconds?: number
}

/** A complete answer. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Sends requests with the credentials. Redirects are not followed (wire contract 0). */
export class Connection {
  readonly concurrency: number
  readonly timeoutSeconds: number
  readonly #fetch: typeof globalThis.fetch
  readonly #headers: Readonly<Record<string, string>>

  constructor(options: ConnectionOptions) {
    this.concurrency = options.concurrency ?? 32
    this.timeoutSeconds = options.timeoutSeconds ?? 30
    if (!Number.isInteger(this.concurrency) || this.concurrency < 1)
      throw new RangeError(`concurrency is ${this.concurrency}; it must be a whole number from 1`)
    if (!(this.timeoutSeconds > 0)) throw new RangeError(`timeoutSeconds is ${this.timeoutSeconds}; it must be above 0`)
    this.#fetch = options.fetch ?? fetchByEnvironment
    this.#headers = {
      accept: 'application/json',
      authorization: `Bearer ${options.token}`,
      'x-skaha-authentication-type': 'RUNTIME-TOKEN',
      'user-agent': 'science-platform-client/0.1.0',
      ...(options.registry === undefined ? {} : { 'x-skaha-registry-auth': registryAuthHeader(options.registry) }),
    }
  }

  /** The complete answer, with any status. Throws {@link UnreachableError}, or the signal's reason. */
  async exchange(outgoing: Outgoing): Promise<Answer> {
    const idle = new IdleTimer(outgoing.timeoutSeconds ?? this.timeoutSeconds)
    try {
      const response = await this.#start(outgoing, idle)
      const decoder = new TextDecoder()
      let text = ''
      for await (const chunk of bytesOf(response)) {
        idle.restart()
        text += decoder.decode(chunk, { stream: true })
      }
      return { status: response.status, headers: response.headers, text: text + decoder.decode() }
    } catch (error) {
      throw this.#explain(error, outgoing, idle)
    } finally {
      idle.stop()
    }
  }

  /** The head of the answer. Its body may take any time. Throws what {@link Connection.exchange} throws. */
  async open(outgoing: Outgoing): Promise<Response> {
    const idle = new IdleTimer(outgoing.timeoutSeconds ?? this.timeoutSeconds)
    try {
      return await this.#start(outgoing, idle)
    } catch (error) {
      throw this.#explain(error, outgoing, idle)
    } finally {
      idle.stop()
    }
  }

  #start({ method, url, headers, body, signal }: Outgoing, idle: IdleTimer): Promise<Response> {
    return this.#fetch(url, {
      method,
      headers: { ...this.#headers, ...headers },
      redirect: 'manual',
      signal: signal === undefined ? idle.signal : AbortSignal.any([signal, idle.signal]),
      ...(body === undefined ? {} : { body }),
    })
  }

  #explain(error: unknown, { url, signal }: Outgoing, idle: IdleTimer): unknown {
    if (signal?.aborted === true) return signal.reason
    const shown = url.split('?')[0] ?? url
    const proxy = proxyOf(url, environmentHere())
    const through = proxy === undefined ? '' : `, through ${proxyText(proxy)}`
    const why = idle.signal.aborted ? `no byte for ${idle.seconds} s` : fetchFailureReason(error)
    return new UnreachableError(shown, `${why}${through}`, error)
  }
}

/** The bytes of a body as they arrive. Leaving the loop early closes the connection. */
export async function* bytesOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body === null) return
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader()
  let finished = false
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value
    finished = true
  } finally {
    // A broken stream rejects its cancellation with the error that read() has already thrown.
    if (!finished) await reader.cancel().catch(() => undefined)
  }
}

/** Aborts its signal after so many seconds without a restart. */
class IdleTimer {
  readonly seconds: number
  readonly #controller = new AbortController()
  #timer: ReturnType<typeof setTimeout>

  constructor(seconds: number) {
    this.seconds = seconds
    this.#timer = this.#arm()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  restart(): void {
    clearTimeout(this.#timer)
    this.#timer = this.#arm()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #arm(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#controller.abort()
    }, this.seconds * 1000)
  }
}
