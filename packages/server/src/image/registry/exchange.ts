import { readdir, readFile } from 'node:fs/promises'
import { Agent as HttpAgent, request as overHttp, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as overHttps } from 'node:https'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { RegistryError } from './registry-error.ts'

/** A request to a registry, as data. */
export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** A response, read to its end. */
export interface RegistryResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** Bytes of a response at most: registries and clients agree on 4 MiB for manifests, and lists come in pages. */
const responseLimit = 16 * 2 ** 20
/** How long one request may take, with its connection. Milliseconds. */
const requestMilliseconds = 30_000
/** How long an unused connection stays open. Milliseconds. */
const idleMilliseconds = 60_000
/** HTTPS hosts whose connections stay open. Registries choose the hosts of redirections, so their number is unbounded. */
const mostHosts = 32

const common = { keepAlive: true, timeout: idleMilliseconds, proxyEnv: process.env }
const plain = new HttpAgent(common)

/** Sends one request and follows no redirection. @throws {RegistryError} or the signal's reason. */
export async function exchange(request: RegistryRequest): Promise<RegistryResponse> {
  const { url, method, headers } = request
  const late = AbortSignal.timeout(requestMilliseconds)
  const signal = AbortSignal.any([request.signal, late])
  const open = url.protocol === 'https:' ? overHttps : overHttp
  const agent = url.protocol === 'https:' ? await agents.of(url.host) : plain
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      open(url, { method, headers: { 'user-agent': 'science-platform', ...headers }, agent, signal }, resolve)
        .on('error', reject)
        .end()
    })
    const parts: Buffer[] = []
    let bytes = 0
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length
      if (bytes > responseLimit)
        throw new RegistryError('invalid', `${shown(url)} answered with more than ${responseLimit} bytes`)
      parts.push(part)
    }
    return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }
  } catch (error) {
    if (request.signal.aborted) throw request.signal.reason
    if (error instanceof RegistryError) throw error
    const why = late.aborted ? `timed out after ${requestMilliseconds / 1000} s` : reasonOf(error)
    throw new RegistryError('unreachable', `${method} ${shown(url)}: ${why}`, { cause: error })
  }
}

/** An address without its query, which may have secrets. Pure. */
export const shown = (url: URL): string => `${url.origin}${url.pathname}`

/** The message of an error. A connection that fails on every address of a host is one error around several. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  // The words of OpenSSL for an answer that is no TLS record, since there is no code of its own.
  if (error instanceof Error && /wrong version number|packet length too long|http request/i.test(error.message))
    return 'the server speaks http, not https'
  return error instanceof Error ? error.message : String(error)
}

/** The HTTPS agents of the last hosts, one for each host, since each may have certificates of its own. */
export class HostAgents {
  /** A dropped agent is not destroyed: requests may use it, and its idle connections close by themselves. */
  readonly #agents = new BoundedMap<string, Promise<HttpsAgent>>(mostHosts)
  readonly #authoritiesOf: (host: string) => Promise<string[]>

  constructor(authoritiesOf: (host: string) => Promise<string[]>) {
    this.#authoritiesOf = authoritiesOf
  }

  get size(): number {
    return this.#agents.size
  }

  /** The agent of a host. A failure to read its certificates is not remembered: the next request reads them again. */
  of(host: string): Promise<HttpsAgent> {
    const known = this.#agents.get(host)
    if (known !== undefined) return known
    const made = this.#authoritiesOf(host).then((ca) => new HttpsAgent({ ...common, ca }))
    this.#agents.set(host, made)
    made.catch(() => {
      this.#agents.delete(host)
    })
    return made
  }
}

/** Trusted certificates: as for skopeo, those of the machine and those in containers-certs.d(5). */
async function authorities(host: string): Promise<string[]> {
  const folder = join('/etc/containers/certs.d', host)
  const names = await readdir(folder).catch(() => [])
  const own = names.filter((name) => name.endsWith('.crt')).map((name) => readFile(join(folder, name), 'utf8'))
  return [...getCACertificates('default'), ...getCACertificates('system'), ...(await Promise.all(own))]
}

const agents = new HostAgents(authorities)
