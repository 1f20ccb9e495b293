import { readFile } from 'node:fs/promises'
import { fetchByEnvironment, hasJobsApi, Images, Jobs, Session, Tokens } from '@science-platform/client'
import { loadConfiguration, saveConfiguration } from './config/configuration-file.ts'
import { warningOfExpiry } from './config/expiry-warning.ts'
import { CommandFailure } from './failure.ts'
import type { Invocation } from './invocation.ts'
import { isFromEnvironment, loginFrom, type Login } from './config/server-login.ts'
import { refreshIfExpired } from './config/token-refresh.ts'
import { note, paint, print } from './output/terminal.ts'

/** The server of a command. */
export interface Platform {
  readonly login: Login
  readonly session: Session
  /**
   * This platform's own API; undefined on other skaha servers. The first call asks the server, and again for so many seconds
   * where it does not answer. @defaultValue patienceSeconds 0
   */
  readonly jobs: (patienceSeconds?: number) => Promise<Jobs | undefined>
  /** The user's tokens, on this platform's own API. */
  readonly tokens: Tokens
  /** Images and registries, on this platform's own API. */
  readonly images: Images
}

/**
 * The server that the environment or the configuration names. `registry`: whether the command needs credentials for a
 * registry, which may stand only in the configuration.
 */
export async function platformFor({ format, verbose }: Invocation, registry = false): Promise<Platform> {
  const skipsFile = isFromEnvironment(process.env) && !registry
  const configuration = skipsFile ? undefined : await loadConfiguration()
  const current = isFromEnvironment(process.env)
    ? configuration
    : await refreshIfExpired(configuration, saveConfiguration)
  const login = loginFrom(process.env, current, Date.now())
  if (login.banner && login.server !== undefined && format === 'human' && process.stdout.isTTY)
    print(paint('dim', `@${login.server}`))
  return platformOf(login, verbose, format === 'human' && process.stderr.isTTY)
}

/** The clients of a login. `warns`: whether to warn on stderr that the token expires soon. */
export async function platformOf(login: Login, verbose: boolean, warns = false): Promise<Platform> {
  await trustPrivateAuthority(process.env['SSL_CERT_FILE'])
  const fetch = verbose ? loudFetch : fetchByEnvironment
  const options = { ...login, fetch: warns ? warningOfExpiry(fetch) : fetch }
  let jobs: Promise<Jobs | undefined> | undefined
  const detect = async (patienceSeconds?: number): Promise<Jobs | undefined> =>
    (await hasJobsApi(options, patienceSeconds)) ? new Jobs(options) : undefined
  const [tokens, images] = [new Tokens(options), new Images(options)]
  return {
    login,
    session: new Session(options),
    tokens,
    images,
    jobs: (patienceSeconds) => (jobs ??= detect(patienceSeconds)),
  }
}

/** A fetch that prints method, address, status and time of each request. It never prints headers, which hold the token. */
async function loudFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const started = performance.now()
  const request = `${init?.method ?? 'GET'} ${input instanceof Request ? input.url : String(input)}`
  const report = (outcome: string): void => {
    note(`${request} → ${outcome} (${Math.round(performance.now() - started)} ms)`)
  }
  try {
    const response = await fetchByEnvironment(input, init)
    report(String(response.status))
    return response
  } catch (error) {
    report('no answer')
    throw error
  }
}

/** Trusts the authorities in SSL_CERT_FILE too, like the published client. Node reads the variable only with a flag. */
async function trustPrivateAuthority(path: string | undefined): Promise<void> {
  if (path === undefined || path === '') return
  try {
    const authority = await readFile(path, 'utf8')
    const { getCACertificates, setDefaultCACertificates } = await import('node:tls')
    setDefaultCACertificates([...getCACertificates('default'), authority])
  } catch (error) {
    throw new CommandFailure(
      'failure',
      'config.invalid',
      `SSL_CERT_FILE is '${path}': ${(error as Error).message}`,
      'set it to a PEM file with certificates',
      error,
    )
  }
}
