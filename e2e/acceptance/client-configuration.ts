import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Platform } from '../support/platform.ts'
import { emptyEnvironment } from './published-client.ts'

/** Seconds since the epoch. No login of these tests expires before. */
export const farFuture = 4_102_444_800

/** A configuration of a published client: one login and one server, both called `key`. 1.5.2 writes version 2, 1.4.1 version 1. */
export const clientConfiguration = (
  { url, token }: Platform,
  version: 1 | 2,
  key: string,
  login: object = {},
  server: object = {},
): object => ({
  version,
  active: { authentication: key, server: key },
  authentication: { [key]: { mode: 'oidc', token: { access: token }, expiry: { access: farFuture }, ...login } },
  servers: { [key]: { idp: key, url: `${url}/skaha`, version: 'v1', auths: ['oidc'], ...server } },
})

/** A login with a refresh token. 1.4.1 accepts no other login. */
export const oidcLogin = (
  issuer: string,
  token: { readonly access: string; readonly refresh: string },
  expiresAt: number,
): object => ({
  endpoints: { discovery: `${issuer}/.well-known/openid-configuration`, token: `${issuer}/token` },
  client: { identity: 'cli', secret: 'of-the-client' },
  token,
  expiry: { access: expiresAt, refresh: farFuture },
})

/** A login for 1.4.1 that is never refreshed, because it does not expire. */
export const lastingLogin = ({ token }: Platform): object =>
  oidcLogin('http://127.0.0.1:9', { access: token, refresh: 'never' }, farFuture)

/** The environment of a user with this configuration. */
export async function configuredHome(platform: Platform, name: string, document: object): Promise<NodeJS.ProcessEnv> {
  const environment = await emptyEnvironment(platform, name)
  const file = configurationFile(environment)
  await mkdir(join(file, '..'), { recursive: true })
  // JSON is YAML too.
  await writeFile(file, JSON.stringify(document))
  return environment
}

/** The path of the published clients' configuration. */
export const configurationFile = (environment: NodeJS.ProcessEnv): string =>
  join(environment['HOME'] ?? '', '.canfar/config.yaml')
