import type { NewToken, RotateRequest, Token, TokenRequest } from '@science-platform/contract'
import { apiJson } from '../connection/api-json.ts'
import { serverAddresses } from '../connection/addresses.ts'
import { Connection } from '../connection/connection.ts'
import type { Abortable, JobsOptions } from '../jobs/jobs.ts'

/**
 * The caller's tokens on this platform's own API. Every method throws {@link ProblemError} when the server refuses and
 * {@link UnreachableError} without an answer.
 */
export class Tokens {
  readonly #url: string
  readonly #connection: Connection

  constructor(options: JobsOptions) {
    this.#url = `${serverAddresses(options.url).api}/tokens`
    this.#connection = new Connection(options)
  }

  /** The tokens without their secrets, oldest first. */
  async list({ signal }: Abortable = {}): Promise<Token[]> {
    const answer = await apiJson(this.#connection, { method: 'GET', url: this.#url, signal })
    return (answer as { tokens: Token[] }).tokens
  }

  /** Creates a token. Only this answer holds its secret. It has at most the scopes of the token in use, and ends with it. */
  create(request: TokenRequest = {}, options: Abortable = {}): Promise<NewToken> {
    return this.#post('', request, options)
  }

  /** Replaces a token: the token in use, or one created with it. The old token ends after the overlap. */
  rotate(id: string, request: RotateRequest = {}, options: Abortable = {}): Promise<NewToken> {
    return this.#post(`/${encodeURIComponent(id)}/rotate`, request, options)
  }

  /** Revokes a token at once, and the tokens created with it. */
  async revoke(id: string, { signal }: Abortable = {}): Promise<Token> {
    const url = `${this.#url}/${encodeURIComponent(id)}`
    return (await apiJson(this.#connection, { method: 'DELETE', url, signal })) as Token
  }

  async #post(path: string, body: object, { signal }: Abortable): Promise<NewToken> {
    const headers = { 'content-type': 'application/json' }
    const outgoing = {
      method: 'POST',
      url: `${this.#url}${path}`,
      headers,
      body: JSON.stringify(body),
      signal,
    } as const
    return (await apiJson(this.#connection, outgoing)) as NewToken
  }
}
