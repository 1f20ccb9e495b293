import Type from 'typebox'
import { Compile } from 'typebox/compile'
import type { ImageSource } from '../access/allowed.ts'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { digestOf } from '../manifest.ts'
import { apiHost, isRealmOf, readChallenges, type Challenge } from './challenge.ts'
import { exchange, shown, type RegistryResponse } from './exchange.ts'
import { failureOf, readRetryAfter, RegistryError } from './registry-error.ts'

/** Settings of {@link RegistryClient}. */
export interface RegistryClientOptions {
  readonly source: Pick<ImageSource, 'registry' | 'plainHttp'>
  /** `user:password`, sent to this registry and its token service alone. Without credentials requests are anonymous. */
  readonly credentials?: string | undefined
  /** Registry → hosts that may hand out its tokens; see {@link isRealmOf}. */
  readonly tokenHosts?: Readonly<Record<string, readonly string[]>>
  readonly signal: AbortSignal
}

/** Bytes under their digest. */
export interface Content {
  readonly digest: string
  readonly bytes: Buffer
}

const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

const Token = Compile(Type.Object({ token: Type.Optional(Type.String()), access_token: Type.Optional(Type.String()) }))
/** Redirections in a row that the client follows. */
const mostRedirections = 5
/** Repositories of which the client keeps the authorization: a listing goes through thousands, a few at a time. */
const mostAuthorizations = 64

/**
 * A client of one registry, by the distribution specification. Credentials go to that registry when it demands them, and to
 * its token service if {@link isRealmOf} accepts that; never along a redirection to another address.
 * Every method throws {@link RegistryError}, or the signal's reason.
 */
export class RegistryClient {
  readonly #options: RegistryClientOptions
  readonly #origin: string
  /** The authorization that answered an earlier challenge, by repository. */
  readonly #authorization = new BoundedMap<string, string>(mostAuthorizations)
  #wasChallenged = false

  constructor(options: RegistryClientOptions) {
    this.#options = options
    this.#origin = `${options.source.plainHttp ? 'http' : 'https'}://${apiHost(options.source.registry)}`
  }

  /**
   * The digest of a manifest, which proves that it may be read.
   * @param version a tag or a digest
   */
  async digest(path: string, version: string): Promise<string> {
    const response = await this.#request('HEAD', this.#manifest(path, version), { accept: manifestTypes })
    const digest = response.headers['docker-content-digest']
    if (typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest)) return digest
    return (await this.manifest(path, version)).digest
  }

  /** A manifest. Content that does not match a requested digest is an error. */
  async manifest(path: string, version: string): Promise<Content> {
    const { body } = await this.#request('GET', this.#manifest(path, version), { accept: manifestTypes })
    return verified(body, version)
  }

  /** A small blob, such as the configuration of an image. */
  async blob(path: string, digest: string): Promise<Content> {
    const { body } = await this.#request('GET', new URL(`/v2/${this.#path(path)}/blobs/${digest}`, this.#origin))
    return verified(body, digest)
  }

  /** Logs in. Returns whether the registry demanded the credentials: only then it has checked them. */
  async logIn(): Promise<boolean> {
    await this.#request('GET', new URL('/v2/', this.#origin))
    return this.#wasChallenged
  }

  /** JSON of an address of this registry and the link to its next page; undefined where there is none. */
  async json(path: string): Promise<{ readonly value: unknown; readonly next: string | undefined } | undefined> {
    const response = await this.#request('GET', new URL(path, this.#origin), { accept: 'application/json' }).catch(
      ifMissing,
    )
    if (response === undefined) return undefined
    const next = nextLink(header(response, 'link') ?? '')
    const url = next === undefined ? null : URL.parse(next, this.#origin)
    return {
      value: parsed(response.body, path),
      next: url === null || url.origin !== this.#origin ? undefined : `${url.pathname}${url.search}`,
    }
  }

  #manifest(path: string, version: string): URL {
    return new URL(`/v2/${this.#path(path)}/manifests/${version}`, this.#origin)
  }

  /** On Docker Hub images without a project are under `library`. */
  #path(path: string): string {
    return this.#options.source.registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path
  }

  async #request(
    method: 'GET' | 'HEAD',
    url: URL,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<RegistryResponse> {
    const scope = repositoryOf(url)
    const first = await this.#send(method, url, { ...headers, ...this.#authorized(scope) })
    if (first.response.status === 400 && this.#options.source.plainHttp) await this.#requireHttp()
    if (first.response.status !== 401 || first.url.origin !== this.#origin)
      return successful(first.response, method, first.url)
    const challenges = readChallenges(header(first.response, 'www-authenticate'))
    const authorization = await this.#authorizationFor(challenges)
    if (authorization === undefined) return successful(first.response, method, url)
    this.#authorization.set(scope, authorization)
    this.#wasChallenged = true
    const { response, url: last } = await this.#send(method, url, { ...headers, authorization })
    return successful(response, method, last)
  }

  /** An answer to HEAD has no text, so the words of Go's and of nginx's TLS servers are those to a GET. */
  async #requireHttp(): Promise<void> {
    const { response, url } = await this.#send('GET', new URL('/v2/', this.#origin), {})
    if (response.status === 400 && /HTTP request (?:was sent )?to (?:an )?HTTPS/i.test(response.body.toString()))
      throw new RegistryError('unreachable', `GET ${shown(url)}: the server speaks https, not http`)
  }

  #authorized(scope: string): Record<string, string> {
    const authorization = this.#authorization.get(scope)
    return authorization === undefined ? {} : { authorization }
  }

  /**
   * The authorization that answers one of the challenges: a token, or else the credentials themselves. Undefined where there is
   * nothing to answer with. With credentials every token service must be one that may have them: skopeo takes any of them.
   */
  async #authorizationFor(challenges: readonly Challenge[]): Promise<string | undefined> {
    const { credentials, source, tokenHosts = {}, signal } = this.#options
    const basic = credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`
    const bearers = challenges.filter((each) => each.scheme === 'bearer')
    const stranger =
      basic === undefined ? undefined : bearers.find(({ realm }) => !isRealmOf(source, realm, tokenHosts))
    if (stranger !== undefined) {
      const host = URL.parse(stranger.realm)?.host ?? 'an invalid address'
      const hint = 'the operators can allow that host under images.tokenHosts'
      throw new RegistryError(
        'untrusted',
        `${source.registry} wants credentials to be sent to ${host}, which is not its own; ${hint}`,
      )
    }
    const [challenge] = bearers
    if (challenge === undefined) return challenges.some(({ scheme }) => scheme === 'basic') ? basic : undefined
    const url = URL.parse(challenge.realm)
    if (url === null)
      throw new RegistryError('invalid', `${source.registry} names a token service with an invalid address`)
    if (challenge.service !== undefined) url.searchParams.set('service', challenge.service)
    for (const scope of challenge.scope?.split(' ') ?? []) url.searchParams.append('scope', scope)
    const headers = { accept: 'application/json', ...(basic === undefined ? {} : { authorization: basic }) }
    const response = successful(await exchange({ method: 'GET', url, headers, signal }), 'GET', url)
    const value = parsed(response.body, url.pathname)
    const token = Token.Check(value) ? (value.token ?? value.access_token) : undefined
    if (token === undefined) throw new RegistryError('invalid', `${shown(url)} answered without a token`)
    return `Bearer ${token}`
  }

  /** Follows redirections: without credentials to another origin, and never from https to http. */
  async #send(
    method: 'GET' | 'HEAD',
    url: URL,
    headers: Readonly<Record<string, string>>,
  ): Promise<{ response: RegistryResponse; url: URL }> {
    let at = url
    for (let i = 0; i <= mostRedirections; i++) {
      const { authorization: _, ...anonymous } = headers
      const sent = at.origin === this.#origin ? headers : anonymous
      const response = await exchange({ method, url: at, headers: sent, signal: this.#options.signal })
      const location = header(response, 'location')
      if (response.status < 300 || response.status >= 400 || location === undefined) return { response, url: at }
      const next = URL.parse(location, at)
      if (next === null || !/^https?:$/.test(next.protocol) || (at.protocol === 'https:' && next.protocol === 'http:'))
        throw new RegistryError('invalid', `${shown(at)} redirects to an address that clients must not follow`)
      at = next
    }
    throw new RegistryError('invalid', `${shown(url)} redirects more than ${mostRedirections} times`)
  }
}

/** The part of an address that one authorization covers: a repository, or the address itself. Pure. */
const repositoryOf = ({ pathname }: URL): string =>
  /^\/v2\/.+(?=\/(?:manifests|blobs|tags)\/)/.exec(pathname)?.[0] ?? pathname

function successful(response: RegistryResponse, method: string, url: URL): RegistryResponse {
  if (response.status >= 200 && response.status < 300) return response
  throw new RegistryError(
    failureOf(response.status),
    `${method} ${shown(url)}: the registry answered with status ${response.status}`,
    { retryAfterMs: readRetryAfter(header(response, 'retry-after'), Date.now()) },
  )
}

function header({ headers }: RegistryResponse, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** The target of the link with the relation `next` (RFC 8288); a link may have other parameters and relations. Pure. */
export const nextLink = (header: string): string | undefined =>
  [...header.matchAll(/<([^>]*)>((?:\s*;\s*[^\s=;,]+\s*=\s*(?:"[^"]*"|[^\s;,]*))*)/g)].find(([, , parameters = '']) =>
    /;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)/i.test(parameters),
  )?.[1]

function parsed(body: Buffer, path: string): unknown {
  try {
    return JSON.parse(body.toString())
  } catch (error) {
    throw new RegistryError('invalid', `the response to ${path.split('?')[0]} is not JSON`, { cause: error })
  }
}

function verified(bytes: Buffer, version: string): Content {
  const digest = digestOf(bytes)
  if (version.startsWith('sha256:') && version !== digest)
    throw new RegistryError('invalid', `the registry sent content that does not match the digest ${version}`)
  return { digest, bytes }
}

function ifMissing(error: unknown): undefined {
  if (!(error instanceof RegistryError) || error.failure !== 'missing') throw error
}
