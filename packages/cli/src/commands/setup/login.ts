import { serverAddresses, SessionRequestError, type ServerAddresses } from '@science-platform/client'
import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { farFuture, withLogin, type Configuration } from '../../config/configuration.ts'
import { configurationPath, loadConfiguration, saveConfiguration } from '../../config/configuration-file.ts'
import { CommandFailure, usageFailure } from '../../failure.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { howToLogIn } from '../../config/server-login.ts'
import { isInteractive, note } from '../../output/terminal.ts'
import { platformOf } from '../../platform.ts'
import { ask, askSecret, readLine } from '../../run/prompt.ts'

interface LoginOptions {
  readonly server?: string
  readonly token?: string
  readonly tokenStdin?: true
  readonly name?: string
  readonly force?: true
}

/** Defines `canfar login`, the same as `canfar auth login`. */
export function define(program: Command): void {
  defineLogin(program)
}

/** Defines the command under the program, where the published client has it, or under `auth`, where the batch guide has it. */
export function defineLogin(parent: Command): void {
  const words = parent.name() === 'auth' ? 'auth login' : 'login'
  parent
    .command('login')
    .summary('log in to a server')
    .description(
      'Check a token with its server and save both as the active login. The command asks for the token, or reads it from stdin. ' +
        'With --token, other users of this machine can see the token while the command runs, and the shell keeps it in its history.',
    )
    .argument('[name]', 'name of a saved server or login')
    .option('--server <url>', 'address of the server, such as https://batch.example.org')
    .option('--token <token>', 'token, such as sp_…; other users of this machine can see it')
    .option('--token-stdin', 'read the token from stdin, like --token -')
    .option('--name <name>', 'name to save the server under, such as mine (default: made from the host)')
    .option('-f, --force', 'ask for a token even if the saved one is valid')
    .addHelpText(
      ...examples(
        `canfar ${words} --server https://batch.example.org`,
        `canfar ${words} --server https://batch.example.org --token-stdin < token`,
      ),
    )
    .action(async (saved: string | undefined, options: LoginOptions, self: Command) => {
      await login(saved, options, invocationOf(self))
    })
}

async function login(saved: string | undefined, options: LoginOptions, invocation: Invocation): Promise<void> {
  const configuration = await loadConfiguration()
  const addresses = await chooseServer(saved, options, configuration)
  const token = await chooseToken(addresses, options, configuration)
  const candidate = { url: addresses.session, token, timeoutSeconds: 30, banner: false }
  const { session } = await platformOf(candidate, invocation.verbose)
  const user = await session.user().catch((error: unknown) => {
    if (error instanceof SessionRequestError && error.status === 401)
      throw new CommandFailure(
        'unauthorized',
        'authentication.credential_invalid',
        `${addresses.root} does not accept this token`,
        'get a new token from the people who run the server',
        error,
      )
    if (error instanceof SessionRequestError && error.status === 404)
      throw new CommandFailure(
        'notFound',
        'server.not-found',
        `there is no science platform at ${addresses.skaha}`,
        'use the address that ends in /skaha, or the part before it',
        error,
      )
    throw error
  })
  const { skaha: url, version } = addresses
  const changed = withLogin(configuration, { url, version, token, expiresAt: expiryOfToken(token), name: options.name })
  await saveConfiguration(changed)
  const name = changed.active.server ?? ''
  await show(invocation, { server: name, url, user: user ?? null, configuration: configurationPath() }, () =>
    [
      `Logged in to ${name}${user === undefined ? '' : ` as ${user}`}.`,
      `${url} is saved in ${configurationPath()}.`,
    ].join('\n'),
  )
}

async function chooseServer(
  saved: string | undefined,
  { server }: LoginOptions,
  configuration: Configuration | undefined,
): Promise<ServerAddresses> {
  if (server !== undefined) return serverAddresses(withScheme(server))
  const { active, servers = {} } = configuration ?? {}
  if (saved !== undefined) {
    const found = servers[saved] ?? Object.values(servers).find(({ idp }) => idp === saved)
    if (found?.url == null)
      throw new CommandFailure('notFound', 'server.unknown', `there is no saved server '${saved}'`, howToLogIn)
    return serverAddresses(`${found.url}/${found.version ?? 'v1'}`)
  }
  const fromEnvironment = process.env['CANFAR_URL']
  if (fromEnvironment !== undefined && fromEnvironment !== '') return serverAddresses(fromEnvironment)
  const current = active?.server == null ? undefined : servers[active.server]
  if (current?.url != null) return serverAddresses(`${current.url}/${current.version ?? 'v1'}`)
  if (!isInteractive()) throw usageFailure('no server was given, and none is saved', howToLogIn)
  return serverAddresses(withScheme(await ask('Server (such as https://batch.example.org): ')))
}

async function chooseToken(
  { skaha }: ServerAddresses,
  { token, tokenStdin, force }: LoginOptions,
  configuration: Configuration | undefined,
): Promise<string> {
  if (tokenStdin === true || token === '-') return checked(await readLine())
  if (token !== undefined) {
    note(
      'warning: other users of this machine can see the value of --token; use --token-stdin, or type the token when asked',
    )
    return checked(token)
  }
  const url = process.env['CANFAR_URL'] ?? ''
  const fromEnvironment = process.env['CANFAR_TOKEN'] ?? ''
  if (fromEnvironment !== '' && (url === '' || serverAddresses(url).skaha === skaha)) return checked(fromEnvironment)
  const saved = force === true ? undefined : savedToken(configuration, skaha)
  if (saved !== undefined) return saved
  return checked(process.stdin.isTTY ? await askSecret(`Token for ${skaha}: `) : await readLine())
}

/** A saved token for the server that has not expired. */
function savedToken(configuration: Configuration | undefined, skaha: string): string | undefined {
  const server = Object.values(configuration?.servers ?? {}).find(({ url }) => url?.replace(/\/+$/, '') === skaha)
  const credential = server?.idp == null ? undefined : configuration?.authentication[server.idp]
  const expiry = typeof credential?.expiry === 'object' ? credential.expiry?.access : undefined
  return expiry != null && expiry * 1000 > Date.now() ? (credential?.token?.access ?? undefined) : undefined
}

function checked(token: string): string {
  if (token === '')
    throw usageFailure('the token is empty', 'pipe the token in, or type it when asked: canfar auth login --server URL')
  // A header field can hold nothing else (RFC 9110, 5.5).
  if (!/^[\x21-\x7e]+$/.test(token))
    throw usageFailure('the token has blanks or characters that a token cannot have', 'copy the token again')
  return token
}

/** Adds the scheme that was not typed: HTTP on this machine, HTTPS elsewhere. */
function withScheme(text: string): string {
  if (/^[a-z]+:\/\//i.test(text)) return text
  return `${/^(localhost|127\.|\[::1\])/.test(text) ? 'http' : 'https'}://${text}`
}

/** Seconds since the epoch at which a JSON web token ends (RFC 7519, 4.1.4); other tokens do not tell. */
function expiryOfToken(token: string): number {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      exp?: unknown
    } | null
    return typeof claims?.exp === 'number' ? claims.exp : farFuture
  } catch {
    return farFuture
  }
}
