import { fetchByEnvironment } from '@science-platform/client'
import { expiryOf, type Configuration } from './configuration.ts'
import { CommandFailure } from '../failure.ts'

/** A request for a new access token (RFC 6749, section 6). */
export interface RefreshRequest {
  /** The name of the login. */
  readonly key: string
  readonly url: string
  readonly authorization: string
  readonly body: string
}

interface OidcParts {
  readonly endpoints?: { readonly token?: string | null }
  readonly client?: { readonly identity?: string | null; readonly secret?: string | null }
}

/**
 * The request for a new access token; undefined while the active one is valid, and for logins without a refresh token, such
 * as a token that a user pasted. `now` is in milliseconds since the epoch.
 */
export function refreshRequest(configuration: Configuration, now: number): RefreshRequest | undefined {
  const key = configuration.active.authentication
  const credential = configuration.authentication[key]
  if (credential?.mode !== 'oidc' || (expiryOf(credential) ?? 0) * 1000 > now) return undefined
  const { endpoints, client } = credential as OidcParts
  const refresh = credential.token?.refresh
  const ends = typeof credential.expiry === 'object' ? credential.expiry?.refresh : undefined
  if (!endpoints?.token || !client?.identity || !client.secret || !refresh) return undefined
  if (ends != null && ends * 1000 <= now) return undefined
  return {
    key,
    url: endpoints.token,
    authorization: `Basic ${Buffer.from(`${client.identity}:${client.secret}`).toString('base64')}`,
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refresh }).toString(),
  }
}

/** The configuration with the tokens of an answer; undefined for an answer without tokens. `now` is in milliseconds. */
export function withRefreshedToken(
  configuration: Configuration,
  key: string,
  answer: unknown,
  now: number,
): Configuration | undefined {
  const {
    access_token: access,
    refresh_token: refresh,
    expires_in: seconds,
  } = (answer ?? {}) as Record<string, unknown>
  const credential = configuration.authentication[key]
  if (typeof access !== 'string' || typeof seconds !== 'number' || credential === undefined) return undefined
  const token = { ...credential.token, access, ...(typeof refresh === 'string' ? { refresh } : {}) }
  const expiry = {
    ...(typeof credential.expiry === 'object' ? credential.expiry : {}),
    access: Math.floor(now / 1000) + seconds,
  }
  return {
    ...configuration,
    authentication: { ...configuration.authentication, [key]: { ...credential, token, expiry } },
  }
}

/** Requests a new access token from the identity provider and saves it. Throws a {@link CommandFailure} when refused. */
export async function refreshIfExpired(
  configuration: Configuration | undefined,
  save: (configuration: Configuration) => Promise<void>,
): Promise<Configuration | undefined> {
  const request = configuration === undefined ? undefined : refreshRequest(configuration, Date.now())
  if (configuration === undefined || request === undefined) return configuration
  const { key, url, authorization, body } = request
  const failed = (why: string, cause?: unknown): CommandFailure =>
    new CommandFailure(
      'unauthorized',
      'authentication.expired',
      `the token of '${key}' has expired, and ${url} refused a new token: ${why}`,
      'log in again: canfar auth login',
      cause,
    )
  let answer: unknown
  try {
    const response = await fetchByEnvironment(url, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body,
      signal: AbortSignal.timeout(30_000),
    })
    if (!response.ok) throw new Error(`HTTP ${response.status}`)
    answer = await response.json()
  } catch (error) {
    throw failed((error as Error).message, error)
  }
  const refreshed = withRefreshedToken(configuration, key, answer, Date.now())
  if (refreshed === undefined) throw failed('the answer has no token')
  await save(refreshed)
  return refreshed
}
