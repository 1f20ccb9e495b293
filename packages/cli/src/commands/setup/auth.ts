import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { expiryOf, withActiveLogin, withoutLogin, type Configuration } from '../../config/configuration.ts'
import {
  configurationPath,
  loadConfiguration,
  removeConfiguration,
  saveConfiguration,
} from '../../config/configuration-file.ts'
import { CommandFailure } from '../../failure.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { howToLogIn } from '../../config/server-login.ts'
import { fields } from '../../output/fields.ts'
import { instant } from '../../output/quantities.ts'
import { table } from '../../output/table.ts'
import { columns } from '../../output/terminal.ts'
import { confirm } from '../../run/confirm.ts'
import { defineTokens } from './auth-token.ts'
import { defineLogin } from './login.ts'

/** A saved login as the published client shows it. */
interface LoginSummary {
  readonly idp: string
  readonly name: string
  readonly mode: string
  /** Seconds since the epoch. */
  readonly expiry: number | null
  readonly active: boolean
  readonly server: string | null
}

/** Defines `canfar auth`. */
export function define(program: Command): void {
  const auth = program
    .command('auth')
    .description('Log in and manage saved logins. Without a subcommand: show the active login.')
    .addHelpText(...examples('canfar auth login --server https://batch.example.org', 'canfar auth'))
    .action(async (_options: unknown, self: Command) => showActive(invocationOf(self)))
  defineLogin(auth)
  defineTokens(auth)
  auth
    .command('show')
    .description('Show the active login.')
    .addHelpText(...examples('canfar auth show'))
    .action(async (_options: unknown, self: Command) => showActive(invocationOf(self)))
  auth
    .command('ls')
    .description('List the saved logins.')
    .addHelpText(...examples('canfar auth ls'))
    .action(async (_options: unknown, self: Command) => {
      const configuration = await loadConfiguration()
      await show(invocationOf(self), configuration === undefined ? [] : summaries(configuration), loginTable)
    })
  auth
    .command('use')
    .description('Make another login active, with the server that it last used.')
    .argument('<login>', 'name of a login, from canfar auth ls')
    .addHelpText(...examples('canfar auth use mine'))
    .action(async (key: string, _options: unknown, self: Command) => {
      const changed = withActiveLogin(await required(), key)
      if (typeof changed === 'string')
        throw new CommandFailure('notFound', 'authentication.unknown', changed, 'canfar auth ls')
      await saveConfiguration(changed)
      await show(
        invocationOf(self),
        changed.active,
        () => `The active login is ${key}, the server is ${changed.active.server}.`,
      )
    })
  auth
    .command('rm')
    .description('Remove a login and its servers.')
    .argument('<login>', 'name of a login, from canfar auth ls')
    .option('-f, --force', 'do not ask, also for the active login')
    .addHelpText(...examples('canfar auth rm mine'))
    .action(async (key: string, { force }: { force?: true }, self: Command) =>
      remove(key, force === true, invocationOf(self)),
    )
  auth
    .command('purge')
    .description('Remove all logins and servers: the whole configuration.')
    .option('-f, --force', 'do not ask')
    .addHelpText(...examples('canfar auth purge --force'))
    .action(async ({ force }: { force?: true }, self: Command) => {
      await confirmed(force === true, 'Remove all logins?')
      await removeConfiguration()
      await show(invocationOf(self), [configurationPath()], () => `Removed ${configurationPath()}.`)
    })
}

async function required(): Promise<Configuration> {
  const configuration = await loadConfiguration()
  if (configuration === undefined)
    throw new CommandFailure('unauthorized', 'authentication.required', 'you are not logged in', howToLogIn)
  return configuration
}

async function showActive(invocation: Invocation): Promise<void> {
  const configuration = await required()
  const active = summaries(configuration).find((summary) => summary.active)
  await show(invocation, active, (summary) =>
    summary === undefined
      ? ''
      : fields(
          [
            ['Login', summary.idp],
            ['Mode', modeText(summary.mode)],
            ['Expires', expiryText(summary.expiry)],
            ['Server', summary.server ?? undefined],
          ],
          columns(),
        ),
  )
}

async function remove(key: string, force: boolean, invocation: Invocation): Promise<void> {
  const configuration = await required()
  if (configuration.authentication[key] === undefined)
    throw new CommandFailure('notFound', 'authentication.unknown', `there is no login '${key}'`, 'canfar auth ls')
  if (configuration.active.authentication === key) await confirmed(force, `Remove the active login '${key}'?`)
  const changed = withoutLogin(configuration, key)
  await (changed === undefined ? removeConfiguration() : saveConfiguration(changed))
  await show(invocation, changed?.active ?? null, (active) =>
    active === null
      ? `Removed ${key}, the last login.`
      : `Removed ${key}. The active login is ${active.authentication}.`,
  )
}

const confirmed = async (force: boolean, text: string): Promise<void> => {
  if (!force) await confirm({ text, option: '--force', kept: 'nothing was removed' })
}

function summaries({ authentication, active, servers }: Configuration): LoginSummary[] {
  return Object.entries(authentication).map(([idp, credential]) => {
    const isActive = idp === active.authentication
    const name =
      (isActive ? active.server : undefined) ??
      active.servers?.[idp] ??
      Object.keys(servers).find((key) => servers[key]?.idp === idp)
    const server = name == null ? undefined : servers[name]
    return {
      idp,
      name: idp,
      mode: credential.mode,
      expiry: expiryOf(credential) ?? null,
      active: isActive,
      server: server?.uri ?? server?.url ?? null,
    }
  })
}

const loginTable = (logins: readonly LoginSummary[]): string =>
  logins.length === 0
    ? 'There are no logins.'
    : table(
        [
          { title: 'ACTIVE' },
          { title: 'LOGIN' },
          { title: 'MODE' },
          { title: 'EXPIRES', droppable: 1 },
          { title: 'SERVER' },
        ],
        logins.map(({ active, idp, mode, expiry, server }) => [
          active ? '*' : '',
          idp,
          modeText(mode),
          expiryText(expiry),
          server ?? '',
        ]),
        columns(),
      )

/** An x509 login may hold 0, which the published client replaces by the certificate's own. */
const expiryText = (expiry: number | null): string =>
  expiry === null || expiry === 0 ? 'unknown' : instant(new Date(expiry * 1000).toISOString())

/** The file calls every token `oidc`, whether an OpenID Connect provider issued it or not. */
const modeText = (mode: string): string => (mode === 'oidc' ? 'token' : 'certificate')
