import { serverAddresses, type RegistryCredentials } from '@science-platform/client'
import { expiryOf, type Configuration } from './configuration.ts'
import { CommandFailure, usageFailure } from '../failure.ts'

/** A server with the credentials for it. */
export interface Login {
  /** Name of the server in the configuration; undefined when the environment names the server. */
  readonly server?: string
  /** The skaha service with its version. */
  readonly url: string
  readonly token: string
  readonly registry?: RegistryCredentials
  readonly timeoutSeconds: number
  readonly banner: boolean
}

/** The environment, like `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The command to log in, for hints. */
export const howToLogIn = 'canfar auth login --server URL'

/** Whether CANFAR_URL and CANFAR_TOKEN are set, so that no configuration is needed (wire contract 4.2). */
export const isFromEnvironment = (environment: Environment): boolean =>
  given(environment, 'CANFAR_URL') !== undefined && given(environment, 'CANFAR_TOKEN') !== undefined

/**
 * The login that a command uses: CANFAR_URL with CANFAR_TOKEN, else the active one of the configuration.
 * CANFAR_URL alone uses the saved token of that server and of no other. `now` is in milliseconds since the epoch.
 */
export function loginFrom(environment: Environment, configuration: Configuration | undefined, now: number): Login {
  const timeoutSeconds = timeoutFrom(environment)
  const registry = registryFrom(environment, configuration)
  const rest = { timeoutSeconds, ...(registry === undefined ? {} : { registry }) }
  const url = given(environment, 'CANFAR_URL')
  const token = given(environment, 'CANFAR_TOKEN')
  if (url !== undefined && token !== undefined) return { url: sessionUrl(url), token, banner: false, ...rest }
  if (token !== undefined)
    throw usageFailure('CANFAR_TOKEN is set without CANFAR_URL', 'export CANFAR_URL=https://HOST/skaha/v1')
  const saved = savedLogin(configuration, now)
  if (url !== undefined && sessionUrl(url) !== saved.url)
    throw notLoggedIn(
      `CANFAR_URL is ${url}, but the saved login is for ${saved.url}`,
      `set CANFAR_TOKEN too, or ${howToLogIn}`,
    )
  return {
    ...saved,
    ...rest,
    banner: configuration?.console?.banner === true && environment['CANFAR_CONSOLE__BANNER'] !== 'false',
  }
}

/** The active login of the configuration. Throws a {@link CommandFailure} when `canfar` cannot use it. */
function savedLogin(configuration: Configuration | undefined, now: number): Pick<Login, 'server' | 'url' | 'token'> {
  if (configuration === undefined) throw notLoggedIn('you are not logged in', howToLogIn)
  const { active, authentication, servers } = configuration
  const server = active.server == null ? undefined : servers[active.server]
  if (active.server == null || server?.url == null)
    throw notLoggedIn('no server is active', `canfar server use NAME, or ${howToLogIn}`)
  const credential = authentication[active.authentication]
  if (credential?.mode === 'x509')
    throw notLoggedIn(
      `the login '${active.authentication}' uses an X.509 certificate, which canfar cannot present`,
      `log in with a token: canfar auth login --server ${server.url}`,
    )
  const token = credential?.token?.access
  if (token == null || token === '') throw notLoggedIn(`there is no token for ${active.server}`, loginAgain(server.url))
  const expiry = credential === undefined ? undefined : expiryOf(credential)
  if (expiry === undefined || expiry * 1000 <= now)
    throw new CommandFailure(
      'unauthorized',
      'authentication.expired',
      `the token for ${active.server} has expired`,
      loginAgain(server.url),
    )
  return { server: active.server, url: `${server.url.replace(/\/+$/, '')}/${server.version ?? 'v1'}`, token }
}

const loginAgain = (url: string): string => `log in again: canfar auth login --server ${url}`

const notLoggedIn = (message: string, hint: string): CommandFailure =>
  new CommandFailure('unauthorized', 'authentication.required', message, hint)

/** The published client needs the version in CANFAR_URL; here it is optional. */
function sessionUrl(url: string): string {
  const trimmed = url.replace(/\/+$/, '')
  return /\/v\d+(\.\d+)*$/.test(trimmed) && !trimmed.endsWith('/api/v1') ? trimmed : serverAddresses(trimmed).session
}

function timeoutFrom(environment: Environment): number {
  const text = given(environment, 'CANFAR_TIMEOUT') ?? '30'
  const seconds = Number(text)
  if (!(seconds >= 1 && seconds <= 300)) throw usageFailure(`CANFAR_TIMEOUT is '${text}'`, 'use seconds from 1 to 300')
  return seconds
}

function registryFrom(
  environment: Environment,
  configuration: Configuration | undefined,
): RegistryCredentials | undefined {
  const username = given(environment, 'CANFAR_REGISTRY__USERNAME') ?? configuration?.registry?.username ?? undefined
  const secret = given(environment, 'CANFAR_REGISTRY__SECRET') ?? configuration?.registry?.secret ?? ''
  return username === undefined || username === '' ? undefined : { username, secret }
}

function given(environment: Environment, name: string): string | undefined {
  const value = environment[name]
  return value === undefined || value === '' ? undefined : value
}
