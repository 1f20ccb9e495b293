import type { NewToken, Scope, Token } from '@science-platform/contract'
import { scopes } from '@science-platform/contract/scopes'
import type { Command } from 'commander'
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
    .summary('make, list, rotate and revoke your tokens')
    .description('Your tokens on the active server. Without a subcommand: list them.')
    .action(async (_options: unknown, self: Command) => list(self))
  token
    .command('create')
    .description('Make a token and print it, this once. It can do no more than the one you use, and ends with it.')
    .option('--name <name>', 'what it is for, for you to recognise (default: token)')
    .option('--scope <scopes>', `what it may do: ${scopes.join(', ')}, separated by commas (default: all but admin)`)
    .option('--expires <time>', 'how long it is good for: 12h, 30d (default: as long as the one you use)')
    .addHelpText('after', '\nExample:\n  canfar auth token create --name nightly --scope read,submit --expires 30d')
    .action(async (options: CreateOptions, self: Command) => create(options, self))
  token
    .command('list')
    .alias('ls')
    .description('List your tokens by their beginnings.')
    .action(async (_options: unknown, self: Command) => list(self))
  token
    .command('rotate')
    .description('Replace a token by a new one that can do the same and ends when the old one would have ended.')
    .argument('[prefix]', 'its beginning; left out: the token of the active login, which is saved anew')
    .option('--overlap <time>', 'how long the old one stays good beside it: 10m, 1h (default: not at all)')
    .action(async (prefix: string | undefined, { overlap }: { overlap?: string }, self: Command) =>
      rotate(prefix, overlap, self),
    )
  token
    .command('revoke')
    .description('End a token at once, with those that were made with it.')
    .argument('<prefix>', 'its beginning, from canfar auth token list')
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
  // Read before the old token ends: where the new one cannot be saved, nothing is done.
  const configuration = isLogin ? await loadConfiguration() : undefined
  const made = await tokens.rotate(old.id, { overlapSeconds })
  if (configuration !== undefined) {
    try {
      await saveConfiguration(withActiveToken(configuration, made.token))
    } catch (error) {
      note(`canfar: the new token could not be saved; it is ${made.token}`)
      throw error
    }
    note(`The active login uses ${made.prefix}… from now on.`)
  }
  await show(invocation, made, ({ token }: NewToken) => token)
}

async function revoke(prefix: string, self: Command): Promise<void> {
  const invocation = invocationOf(self)
  const { tokens } = await platformFor(invocation)
  const revoked = await tokens.revoke((await tokenOf(tokens, prefix)).id)
  await show(invocation, revoked, (token) => `Revoked ${token.prefix}….`)
}

/** The good token that a beginning names; without one the token that is used. */
async function tokenOf(tokens: Platform['tokens'], prefix: string | undefined): Promise<Token> {
  const good = (await tokens.list()).filter(({ revokedAt }) => revokedAt === undefined)
  const [token, other] = good.filter((one) => (prefix === undefined ? one.current : one.prefix.startsWith(prefix)))
  if (token === undefined)
    throw new CommandFailure(
      'notFound',
      'authentication.unknown',
      `no token begins with '${prefix}'`,
      'canfar auth token list',
    )
  if (other !== undefined) throw usageFailure(`several tokens begin with '${prefix}'`, 'give more of it')
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
  throw usageFailure(`--scope is '${text}'`, `give some of ${scopes.join(',')}`)
}

function secondsOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = parseDuration(text)
  if (seconds !== undefined && seconds > 0) return seconds
  throw usageFailure(`${option} is '${text}'`, 'give a time such as 30m, 12h or 30d')
}
