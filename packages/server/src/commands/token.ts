import type { Command } from 'commander'
import { defaultScopes, isScope, scopes } from '../access/scopes.ts'
import { successorOf } from '../access/token-rules.ts'
import { newToken } from '../lib/secrets/token-text.ts'
import type { Store, StoredAccount, StoredToken } from '../store/store.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { printList, type OutputOptions } from './output/output.ts'

type Options = Location & OutputOptions

/** Defines the commands under `token`. */
export function define(token: Command): void {
  located(token.command('create <user>'))
    .description('create a token and print it, alone, on standard output; it is shown only once')
    .option('--expires <time>', 'lifetime: 12h, 30d, 1y (default: unlimited)')
    .option(
      '--scope <scopes>',
      'scopes: read, submit, manage, admin, separated by commas (default: all scopes of the user)',
    )
    .option('--name <name>', 'a name that tells its owner its purpose', 'token')
    .addHelpText('after', '\nExample:\n  science-platform token create ada --expires 30d --data DIR')
    .action(createToken)
  located(token.command('list <user>'))
    .description("list a user's tokens by their prefixes")
    .option('--json', 'as JSON')
    .action(listTokens)
  located(token.command('revoke <user> <prefix>'))
    .description('revoke the token with this prefix, at once')
    .action(revokeToken)
  located(token.command('rotate <user> <prefix>'))
    .description('replace the token with this prefix by one with the same scopes, and print that alone')
    .option('--overlap <time>', 'how long the old token stays valid: 10m, 1h (default: not at all)')
    .option('--expires <time>', 'lifetime of the new token (default: until the old one would have expired)')
    .addHelpText('after', '\nExample:\n  science-platform token rotate ada sp_4f9w --overlap 1h --data DIR')
    .action(rotateToken)
}

const unitMs: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
}

/** `token create`: prints the token alone on standard output. */
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
      throw new Error(`There is no scope ${JSON.stringify(strange)}. Use ${scopes.join(', ')}.`)
    if (wanted.includes('admin') && !admin)
      throw new Error(
        `The user ${account} is not an administrator and cannot have a token with the scope admin. Omit admin.`,
      )
    const now = Date.now()
    const { token, ...kept } = newToken()
    const stored = await store.addToken({
      ...kept,
      account,
      name: options.name,
      scopes: wanted,
      createdAt: now,
      ...(options.expires === undefined ? {} : { expiresAt: now + durationMs('--expires', options.expires) }),
    })
    if (!stored)
      throw new Error(`The user ${account} is disabled. Enable the user first: science-platform user enable ${account}`)
    process.stdout.write(`${token}\n`)
  })
}

async function listTokens(account: string, options: Options): Promise<void> {
  const tokens = await withStore(options, async (store) => {
    await accountNamed(store, account)
    return store.tokens(account)
  })
  const day = (at: number | undefined): string => (at === undefined ? '' : new Date(at).toISOString().slice(0, 10))
  const rows = tokens.map(({ hash: _, ...token }) => token)
  printList(rows, options, {
    PREFIX: ({ prefix }) => prefix,
    NAME: ({ name }) => name,
    SCOPES: ({ scopes }) => scopes.join(','),
    CREATED: ({ createdAt }) => day(createdAt),
    'LAST USED': ({ lastUsedAt }) => day(lastUsedAt) || 'never',
    EXPIRES: ({ expiresAt }) => day(expiresAt) || 'never',
    REVOKED: ({ revokedAt }) => day(revokedAt),
  })
}

async function revokeToken(account: string, prefix: string, options: Location): Promise<void> {
  await changeStore(options, { action: 'token revoke', subject: `${account}/${prefix}` }, async (store) => {
    const token = await tokenNamed(store, account, prefix)
    await store.revokeToken(token.id, Date.now())
    process.stderr.write(`revoked ${token.prefix}… and the tokens that it created\n`)
  })
}

/** `token rotate`: prints the new token alone on standard output. Unlike HTTP, the command may set a new lifetime. */
async function rotateToken(
  account: string,
  prefix: string,
  options: Location & { readonly overlap?: string; readonly expires?: string },
): Promise<void> {
  const overlapMs = options.overlap === undefined ? 0 : durationMs('--overlap', options.overlap)
  const lastsMs = options.expires === undefined ? undefined : durationMs('--expires', options.expires)
  await changeStore(options, { action: 'token rotate', subject: `${account}/${prefix}` }, async (store) => {
    const old = await tokenNamed(store, account, prefix)
    if (old.jobId !== undefined)
      throw new Error(`${old.prefix}… is the token of the job ${old.jobId} and ends with that job.`)
    const now = Date.now()
    const made = newToken()
    const successor = successorOf(old, made, now)
    const lasting = lastsMs === undefined ? successor : { ...successor, expiresAt: now + lastsMs }
    if (!(await store.rotateToken(old.id, lasting, now + overlapMs)))
      throw new Error(
        `${old.prefix}… is no longer valid, or expires before the new token would. Create one: science-platform token create ${account}`,
      )
    process.stdout.write(`${made.token}\n`)
  })
}

/** The valid token of a user with a prefix. @throws where there is none, or several */
async function tokenNamed(store: Store, account: string, prefix: string): Promise<StoredToken> {
  await accountNamed(store, account)
  const matching = (await store.tokens(account)).filter(
    (token) => token.prefix.startsWith(prefix) && token.revokedAt === undefined,
  )
  const [token] = matching
  if (token === undefined)
    throw new Error(
      `${account} has no valid token that begins with ${prefix}. List them: science-platform token list ${account}`,
    )
  if (matching.length > 1)
    throw new Error(`${account} has ${matching.length} tokens that begin with ${prefix}. Give a longer prefix.`)
  return token
}

async function accountNamed(store: Store, name: string): Promise<StoredAccount> {
  const account = await store.account(name)
  if (account === undefined) throw new Error(`There is no user ${name}. Add one: science-platform user add ${name}`)
  return account
}

function durationMs(option: string, text: string): number {
  const [, count, unit = ''] = /^([1-9][0-9]*)([mhdwy])$/.exec(text) ?? []
  const ms = unitMs[unit]
  if (count === undefined || ms === undefined)
    throw new Error(`${option} takes a number and m, h, d, w or y, such as 30d; it was ${JSON.stringify(text)}.`)
  return Number(count) * ms
}
