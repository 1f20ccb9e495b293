import type { ImageRecord, PlatformContext, PlatformStats, SessionRecord } from '@science-platform/contract'
import { concurrently } from '../connection/concurrently.ts'
import { Connection, type Answer, type ConnectionOptions, type Outgoing } from '../connection/connection.ts'
import { SessionError, SessionRequestError, type SessionOutcome } from './session-error.ts'
import { sessionForms, type SessionKind, type SessionRequest, type SessionStatus } from './session-request.ts'

/** Longest query string. Longer parameters go into the body: Tomcat, under the reference server, refuses heads above 8 KiB. */
const longestQuery = 6_000
const formType = 'application/x-www-form-urlencoded'

/** How to reach a skaha server. */
export interface SessionOptions extends ConnectionOptions {
  /** The service with its version, such as `https://ws-uv.canfar.net/skaha/v1`. */
  readonly url: string
  /**
   * How a call of several requests reports failures. `raise` throws {@link SessionError} after all requests. `ignore`
   * leaves failures out of the result (`false` in a map of booleans), like the published client. `create` always raises.
   * @defaultValue 'raise'
   */
  readonly errors?: 'raise' | 'ignore'
}

/** Sessions on any skaha server: this platform's, or the one that runs CANFAR (wire contract 1). */
export class Session {
  readonly #url: string
  readonly #errors: 'raise' | 'ignore'
  readonly #connection: Connection

  constructor(options: SessionOptions) {
    this.#url = options.url.replace(/\/+$/, '')
    if (!/\/v\d+(\.\d+)*$/.test(this.#url))
      throw new TypeError(`the session url '${options.url}' has no version; it must end like /skaha/v1`)
    this.#errors = options.errors ?? 'raise'
    this.#connection = new Connection(options)
  }

  /**
   * Creates one session, or `replicas` of them, and returns their ids in order. When a request fails, the others are sent
   * all the same, and {@link SessionError} has the outcome of each replica. After the signal no further request is sent, and
   * those under way are awaited, so that no id is lost.
   */
  async create(
    request: SessionRequest,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<string[]> {
    const forms = sessionForms(request)
    const outcomes = await concurrently(forms, this.#connection.concurrency, async ({ parameters }) => {
      options.signal?.throwIfAborted()
      return (await this.#exchange(this.#post('/session', parameters))).text.replace(/[\r\n]+$/, '')
    })
    const named = outcomes.map((outcome, index) => ({ target: forms[index]?.name ?? '', ...outcome }))
    if (named.some((outcome) => !outcome.ok)) throw new SessionError('create', named)
    return named.flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
  }

  /** The caller's sessions, as on the wire. */
  async fetch(
    filter: { readonly kind?: SessionKind | undefined; readonly status?: SessionStatus | undefined } = {},
  ): Promise<SessionRecord[]> {
    const { kind, status } = filter
    return (await this.#json('/session', {
      ...(kind === undefined ? {} : { type: kind }),
      ...(status === undefined ? {} : { status }),
    })) as SessionRecord[]
  }

  /** The record of each session. */
  info(ids: string | readonly string[]): Promise<SessionRecord[]> {
    return this.#each('info', ids, (id) => this.#json(sessionPath(id)) as Promise<SessionRecord>)
  }

  /** The output of each session so far, by id. */
  async logs(ids: string | readonly string[]): Promise<Record<string, string>> {
    return Object.fromEntries(await this.#each('logs', ids, async (id) => [id, await this.#view(id, 'logs')] as const))
  }

  /** The events table of each session, by id; `parseSessionEvents` reads it. */
  async events(ids: string | readonly string[]): Promise<Record<string, string>> {
    return Object.fromEntries(
      await this.#each('events', ids, async (id) => [id, await this.#view(id, 'events')] as const),
    )
  }

  /** Capacity of the platform, and how much of it is in use. */
  async stats(): Promise<PlatformStats> {
    return (await this.#json('/session', { view: 'stats' })) as PlatformStats
  }

  /** Ends and removes sessions. Servers answer success for an unknown id too (wire contract 2.5). */
  destroy(ids: string | readonly string[]): Promise<Record<string, boolean>> {
    return this.#done('destroy', ids, (id) => ({ method: 'DELETE', url: this.#url + sessionPath(id) }))
  }

  /** Sets the expiry of sessions back to the full time. */
  renew(ids: string | readonly string[]): Promise<Record<string, boolean>> {
    return this.#done('renew', ids, (id) => this.#post(sessionPath(id), new URLSearchParams({ action: 'renew' })))
  }

  /**
   * Destroys the sessions whose name begins with `prefix`. A prefix with any of `.^$*+?{}[]()|` is a regular expression
   * that may match anywhere. @defaultValue kind 'headless', status 'Completed'
   */
  async destroyWith(filter: {
    readonly prefix: string
    readonly kind?: SessionKind
    readonly status?: SessionStatus
  }): Promise<Record<string, boolean>> {
    const { prefix, kind = 'headless', status = 'Completed' } = filter
    const matches = nameMatcher(prefix)
    const sessions = await this.fetch({ kind, status })
    return this.destroy(sessions.filter(({ name }) => matches(name)).map(({ id }) => id))
  }

  /** The images that the platform offers, of one kind or all. */
  async images(filter: { readonly kind?: SessionKind } = {}): Promise<ImageRecord[]> {
    return (await this.#json('/image', filter.kind === undefined ? {} : { type: filter.kind })) as ImageRecord[]
  }

  /** The sizes on offer. */
  async context(): Promise<PlatformContext> {
    return (await this.#json('/context')) as PlatformContext
  }

  /** The user name of the caller; undefined when the server accepts the token without naming its user. */
  async user(): Promise<string | undefined> {
    const answer = await this.#exchange(this.#get('/session', { type: 'headless', status: 'Pending' }))
    return answer.headers.get('x-vo-authenticated') ?? undefined
  }

  #get(path: string, query: Record<string, string> = {}): Outgoing {
    const parameters = new URLSearchParams(query).toString()
    return { method: 'GET', url: this.#url + path + (parameters === '' ? '' : `?${parameters}`) }
  }

  #post(path: string, parameters: URLSearchParams): Outgoing {
    const query = parameters.toString()
    const head = { method: 'POST', headers: { 'content-type': formType } } as const
    return query.length <= longestQuery
      ? { ...head, url: `${this.#url}${path}?${query}` }
      : { ...head, url: this.#url + path, body: query }
  }

  async #view(id: string, view: 'logs' | 'events'): Promise<string> {
    return (await this.#exchange(this.#get(sessionPath(id), { view }))).text
  }

  async #json(path: string, query?: Record<string, string>): Promise<unknown> {
    const outgoing = this.#get(path, query)
    const answer = await this.#exchange(outgoing)
    try {
      return JSON.parse(answer.text)
    } catch (error) {
      throw new Error(`GET ${outgoing.url}: the answer is not JSON; is this a skaha server?`, { cause: error })
    }
  }

  async #exchange(outgoing: Outgoing): Promise<Answer> {
    const answer = await this.#connection.exchange(outgoing)
    if (answer.status >= 200 && answer.status < 300) return answer
    const location = answer.headers.get('location')
    const text = location === null ? answer.text.trim() : `redirected to ${location}; redirects are not followed`
    throw new SessionRequestError(`${outgoing.method} ${outgoing.url.split('?')[0] ?? ''}`, answer.status, text)
  }

  async #outcomes<T>(ids: string | readonly string[], work: (id: string) => Promise<T>): Promise<SessionOutcome<T>[]> {
    const list = typeof ids === 'string' ? [ids] : ids
    const outcomes = await concurrently(list, this.#connection.concurrency, work)
    return outcomes.map((outcome, index) => ({ target: list[index] ?? '', ...outcome }))
  }

  async #each<T>(operation: string, ids: string | readonly string[], work: (id: string) => Promise<T>): Promise<T[]> {
    const outcomes = await this.#outcomes(ids, work)
    if (this.#errors === 'raise' && outcomes.some((outcome) => !outcome.ok)) throw new SessionError(operation, outcomes)
    return outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
  }

  async #done(
    operation: string,
    ids: string | readonly string[],
    request: (id: string) => Outgoing,
  ): Promise<Record<string, boolean>> {
    const outcomes = await this.#outcomes(ids, async (id) => {
      await this.#exchange(request(id))
      return true
    })
    if (this.#errors === 'raise' && outcomes.some((outcome) => !outcome.ok)) throw new SessionError(operation, outcomes)
    return Object.fromEntries(outcomes.map((outcome) => [outcome.target, outcome.ok]))
  }
}

const sessionPath = (id: string): string => `/session/${encodeURIComponent(id)}`

/** A test of names by a prefix. A prefix with any of `.^$*+?{}[]()|` is a regular expression. */
export function nameMatcher(prefix: string): (name: string) => boolean {
  if (!/[.^$*+?{}[\]()|]/.test(prefix)) return (name) => name.startsWith(prefix)
  let pattern: RegExp
  try {
    pattern = new RegExp(prefix)
  } catch (error) {
    throw new TypeError(`'${prefix}' is not a valid regular expression`, { cause: error })
  }
  return (name) => pattern.test(name)
}
