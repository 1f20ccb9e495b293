import type { NewToken, Scope, Token } from '@science-platform/contract'
import { scopes } from '@science-platform/contract/scopes'
import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { withActiveToken } from '../../config/configuration.ts'
import { loadConfiguration, saveConfiguration } from '../../config/configuration-file.ts'
import { CommandFailure, usageFailure } from '../../failure.ts'
import { invocationOf, show } from '../../invocation.ts'
import { isFromEnvironment } from '../../config/server-login.ts'
import { minute, parseDuration } from '../../output/quantities.ts'
import { table } from '../../output/table.ts'
import { columns, note } from '../../output/terminal.ts'
import { platformFor, type Platform } from '../../platform.ts'

interface CreateOptions {
  readonly name?: string
  readonly scope?: string
  readonly expires?: string
}

/** Defines `canfar auth token`. */
export function defineTokens(auth: Command): void {
  const token = auth
    .command('token')
    .summary('create, list, rotate and revoke tokens')
    .description('Manage your tokens on the active server. Without a subcommand: list them.')
    .addHelpText(...examples('canfar auth token', 'canfar auth token create --name nightly'))
    .action(async (_options: unknown, self: Command) => list(self))
  token
    .command('create')
    .description(
      'Create a token and print it. The server shows it only once. It has at most the scopes of the token you use, and ends with that token.',
    )
    .option('--name <name>', 'name to recognise the token by, such as nightly (default: token)')
    .option(
      '--scope <scopes>',
      `scopes separated by commas, such as read,submit: ${scopes.join(', ')} (default: all but admin)`,
    )
    .option('--expires <time>', 'time until the token expires, such as 12h or 30d (default: with the token you use)')
    .addHelpText(...examples('canfar auth token create --name nightly --scope read,submit --expires 30d'))
    .action(async (options: CreateOptions, self: Command) => create(options, self))
  token
    .command('list')
    .alias('ls')
    .description('List your tokens by their prefixes.')
    .addHelpText(...examples('canfar auth token list'))
    .action(async (_options: unknown, self: Command) => list(self))
  token
    .command('rotate')
    .description('Replace a token with a new one of the same scopes and expiry.')
    .argument('[prefix]', 'prefix of the token (default: the token of the active login; the new one is saved there)')
    .option('--overlap <time>', 'time for which the old token stays valid, such as 10m or 1h (default: none)')
    .addHelpText(...examples('canfar auth token rotate', 'canfar auth token rotate sp_7hx --overlap 1h'))
    .action(async (prefix: string | undefined, { overlap }: { overlap?: string }, self: Command) =>
      rotate(prefix, overlap, self),
    )
  token
    .command('revoke')
    .description('Revoke a token at once, and the tokens that were created with it.')
    .argument('<prefix>', 'prefix of the token, from canfar auth token list')
    .addHelpText(...examples('canfar auth token revoke sp_7hx'))
    .action(async (prefix: string, _options: unknown, self: Command) => revoke(prefix, self))
}

async function create({ name, scope, expires }: CreateOptions, self: Command): Promise<void> {
  const invocation = invocationOf(self)
  const seconds = secondsOf('--expires', expires)
  const { tokens } = await platformFor(invocation)
  const made = await tokens.create({
    ...(name === undefined ? {} : { name }),
    ...(scope === undefined ? {} : { scopes: scopesOf(scope) }),
    ...(seconds === undefined ? {} : { expiresInSeconds: seconds }),
  })
  await show(invocation, made, ({ token }) => token)
}

async function list(self: Command): Promise<void> {
  const invocation = invocationOf(self)
  const { tokens } = await platformFor(invocation)
  await show(invocation, await tokens.list(), tokenTable)
}

async function rotate(prefix: string | undefined, overlap: string | undefined, self: Command): Promise<void> {
  const invocation = invocationOf(self)
  const overlapSeconds = secondsOf('--overlap', overlap) ?? 0
  const { tokens } = await platformFor(invocation)
  const old = await tokenOf(tokens, prefix)
  const isLogin = old.current === true && !isFromEnvironment(process.env)
  // Read before the old token ends: an unreadable file stops the rotation.
  const configuration = isLogin ? await loadConfiguration() : undefined
  const made = await tokens.rotate(old.id, { overlapSeconds })
  if (configuration !== undefined) {
    try {
      await saveConfiguration(withActiveToken(configuration, made.token))
    } catch (error) {
      note(`canfar: the new token could not be saved. The token is ${made.token}`)
      throw error
    }
    note(`The active login now uses ${made.prefix}….`)
  }
  await show(invocation, made, ({ token }: NewToken) => token)
}

async function revoke(prefix: string, self: Command): Promise<void> {
  const invocation = invocationOf(self)
  const { tokens } = await platformFor(invocation)
  const revoked = await tokens.revoke((await tokenOf(tokens, prefix)).id)
  await show(invocation, revoked, (token) => `Revoked ${token.prefix}….`)
}

/** The valid token with this prefix; without a prefix, the token in use. */
async function tokenOf(tokens: Platform['tokens'], prefix: string | undefined): Promise<Token> {
  const valid = (await tokens.list()).filter(({ revokedAt }) => revokedAt === undefined)
  const [token, other] = valid.filter((one) => (prefix === undefined ? one.current : one.prefix.startsWith(prefix)))
  if (token === undefined)
    throw new CommandFailure(
      'notFound',
      'authentication.unknown',
      `no token begins with '${prefix}'`,
      'canfar auth token list',
    )
  if (other !== undefined) throw usageFailure(`several tokens begin with '${prefix}'`, 'use a longer prefix')
  return token
}

function tokenTable(tokens: readonly Token[]): string {
  if (tokens.length === 0) return 'There are no tokens.'
  return table(
    [
      { title: 'PREFIX' },
      { title: 'NAME', cut: 'end' },
      { title: 'SCOPES' },
      { title: 'CREATED', droppable: 2 },
      { title: 'LAST USED', droppable: 1 },
      { title: 'ENDS' },
    ],
    tokens.map((token) => [
      token.current === true ? `${token.prefix} *` : token.prefix,
      token.name,
      token.scopes.join(','),
      day(token.createdAt),
      token.lastUsedAt === undefined ? 'never' : minute(token.lastUsedAt),
      ending(token),
    ]),
    columns(),
  )
}

const day = (iso: string): string => iso.slice(0, 10)

function ending({ revokedAt, expiresAt, jobId }: Token): string {
  if (revokedAt !== undefined) return `revoked ${day(revokedAt)}`
  if (jobId !== undefined) return `with job ${jobId}`
  return expiresAt === undefined ? 'never' : minute(expiresAt)
}

function scopesOf(text: string): Scope[] {
  const words = text.split(',').map((word) => word.trim())
  const isScope = (word: string): word is Scope => (scopes as readonly string[]).includes(word)
  if (words.every(isScope)) return words
  throw usageFailure(`--scope is '${text}'`, `use some of ${scopes.join(',')}`)
}

function secondsOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = parseDuration(text)
  if (seconds !== undefined && seconds > 0) return seconds
  throw usageFailure(`${option} is '${text}'`, 'use a time such as 30m, 12h or 30d')
}
