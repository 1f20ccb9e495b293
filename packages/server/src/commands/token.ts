import type { Command } from 'commander'
import { defaultScopes, isScope, scopes } from '../access/scopes.ts'
import { newToken } from '../access/tokens.ts'
import type { Store, StoredAccount } from '../store/store.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { printTable } from './table.ts'

/** Defines the commands under `token`. */
export function define(token: Command): void {
  located(token.command('create <user>'))
    .description('make a token and print it, alone, on standard output; it is shown this once')
    .option('--expires <time>', 'how long it is good for: 12h, 30d, 1y (default: for ever)')
    .option(
      '--scope <scopes>',
      'what it may do: read, submit, manage, admin, separated by commas (default: all of the user)',
    )
    .option('--name <name>', 'what it is for, for its owner to recognise', 'token')
    .addHelpText('after', '\nExample:\n  science-platform token create ada --expires 30d --data DIR')
    .action(createToken)
  located(token.command('list <user>'))
    .description("list a user's tokens by their beginnings")
    .option('--json', 'as JSON')
    .action(listTokens)
  located(token.command('revoke <user> <prefix>'))
    .description('end the token with this beginning, at once')
    .action(revokeToken)
}

const unitMs: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
}

/** `token create`: prints the token, and nothing else, on standard output. */
async function createToken(
  account: string,
  options: Location & { readonly expires?: string; readonly scope?: string; readonly name: string },
): Promise<void> {
  await changeStore(options, { action: 'token create', subject: account }, async (store) => {
    const { admin } = await accountNamed(store, account)
    const wanted = options.scope?.split(',').map((scope) => scope.trim()) ?? [
      ...defaultScopes,
      ...(admin ? ['admin'] : []),
    ]
    const strange = wanted.find((scope) => !isScope(scope))
    if (strange !== undefined)
      throw new Error(`There is no scope ${JSON.stringify(strange)}; there are ${scopes.join(', ')}.`)
    if (wanted.includes('admin') && !admin)
      throw new Error(`The user ${account} is no administrator, so no token of theirs can be.`)
    const now = Date.now()
    const { token, ...kept } = newToken()
    const stored = await store.addToken({
      ...kept,
      account,
      name: options.name,
      scopes: wanted,
      createdAt: now,
      ...(options.expires === undefined ? {} : { expiresAt: now + durationMs(options.expires) }),
    })
    if (!stored)
      throw new Error(`The user ${account} is disabled. Enable them first: science-platform user enable ${account}`)
    process.stdout.write(`${token}\n`)
  })
}

/** `token list` */
async function listTokens(account: string, options: Location & { readonly json?: true }): Promise<void> {
  const tokens = await withStore(options, async (store) => {
    await accountNamed(store, account)
    return store.tokens(account)
  })
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify(
        tokens.map(({ hash: _, ...token }) => token),
        undefined,
        2,
      )}\n`,
    )
    return
  }
  const day = (at: number | undefined): string => (at === undefined ? '' : new Date(at).toISOString().slice(0, 10))
  printTable(
    ['PREFIX', 'NAME', 'SCOPES', 'CREATED', 'EXPIRES', 'REVOKED'],
    tokens.map(({ prefix, name, scopes, createdAt, expiresAt, revokedAt }) => [
      prefix,
      name,
      scopes.join(','),
      day(createdAt),
      day(expiresAt) || 'never',
      day(revokedAt),
    ]),
  )
}

/** `token revoke` */
async function revokeToken(account: string, prefix: string, options: Location): Promise<void> {
  await changeStore(options, { action: 'token revoke', subject: `${account}/${prefix}` }, async (store) => {
    await accountNamed(store, account)
    const matching = (await store.tokens(account)).filter(
      (token) => token.prefix.startsWith(prefix) && token.revokedAt === undefined,
    )
    const [token] = matching
    if (token === undefined) throw new Error(`${account} has no token that begins with ${prefix} and is still good.`)
    if (matching.length > 1)
      throw new Error(`${account} has ${matching.length} tokens that begin with ${prefix}; give more of it.`)
    await store.revokeToken(token.id, Date.now())
    process.stderr.write(`revoked ${token.prefix}…\n`)
  })
}

async function accountNamed(store: Store, name: string): Promise<StoredAccount> {
  const account = await store.account(name)
  if (account === undefined) throw new Error(`There is no user ${name}. Add one: science-platform user add ${name}`)
  return account
}

function durationMs(text: string): number {
  const [, count, unit = ''] = /^([1-9][0-9]*)([mhdwy])$/.exec(text) ?? []
  const ms = unitMs[unit]
  if (count === undefined || ms === undefined)
    throw new Error(`--expires takes a number and m, h, d, w or y, such as 30d; it was ${JSON.stringify(text)}.`)
  return Number(count) * ms
}
