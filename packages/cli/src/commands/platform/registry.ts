import type { Registry } from '@science-platform/contract'
import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { usageFailure } from '../../failure.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { instant } from '../../output/quantities.ts'
import { table } from '../../output/table.ts'
import { columns, isInteractive } from '../../output/terminal.ts'
import { platformFor } from '../../platform.ts'
import { ask, askSecret, readLine } from '../../run/prompt.ts'

interface LoginOptions {
  readonly username?: string
  readonly passwordStdin?: true
  readonly check: boolean
}

/** Defines `canfar registry`. */
export function define(program: Command): void {
  const registry = program
    .command('registry')
    .description(
      'Manage your credentials for registries of private images. The platform stores them encrypted, sends them only to ' +
        'their own registry, and never shows them again.',
    )
  registry
    .command('login')
    .summary('store credentials for a registry')
    .description(
      'Check credentials at a registry and store them on the platform. The command asks for the password, or reads it from stdin.',
    )
    .argument('<host>', 'registry, such as images.canfar.net')
    .option('-u, --username <name>', 'user name at the registry, such as ada')
    .option('--password-stdin', 'read the password from stdin')
    .option('--no-check', 'store the credentials without a check')
    .addHelpText(...examples('canfar registry login images.canfar.net -u ada --password-stdin < secret'))
    .action(async (host: string, options: LoginOptions, self: Command) => logIn(host, options, invocationOf(self)))
  registry
    .command('logout')
    .summary('delete the credentials for a registry')
    .description('Delete your credentials for a registry. Jobs that have not started yet start without them.')
    .argument('<host>', 'registry, from canfar registry list')
    .addHelpText(...examples('canfar registry logout images.canfar.net'))
    .action(async (host: string, _options: unknown, self: Command) => logOut(host, invocationOf(self)))
  registry
    .command('list')
    .alias('ls')
    .summary('list registries and your user names')
    .description('List the registries that images may come from, with your user names there.')
    .addHelpText(...examples('canfar registry list'))
    .action(async (_options: unknown, self: Command) => list(invocationOf(self)))
}

async function logIn(host: string, options: LoginOptions, invocation: Invocation): Promise<void> {
  if (!isInteractive() && (options.username === undefined || options.passwordStdin !== true))
    throw usageFailure(
      'user name and password are missing, and there is no terminal to ask on',
      'use -u NAME --password-stdin',
    )
  const { images } = await platformFor(invocation)
  const username = options.username ?? (await ask(`User name at ${host}: `))
  const secret = options.passwordStdin ? await readLine() : await askSecret(`Password or token of ${username}: `)
  if (secret === '') throw usageFailure('the password is empty', 'write it on the first line of stdin')
  const result = await images.logIn(host, { username, secret, check: options.check })
  const remark =
    result.checked || !options.check ? '' : ' The registry asks for no credentials, so they were not checked.'
  await show(invocation, result, () => `Stored credentials of ${username} for ${host}.${remark}`)
}

async function logOut(host: string, invocation: Invocation): Promise<void> {
  const { images } = await platformFor(invocation)
  await images.logOut(host)
  await show(invocation, { registry: host }, () => `Deleted your credentials for ${host}.`)
}

async function list(invocation: Invocation): Promise<void> {
  const { images } = await platformFor(invocation)
  await show(invocation, await images.registries(), registryTable)
}

function registryTable(registries: readonly Registry[]): string {
  if (registries.length === 0) return 'Images come only from the local store.'
  const listed = table(
    [
      { title: 'REGISTRY', cut: 'start' },
      { title: 'USER' },
      { title: 'SINCE', droppable: 1 },
      { title: 'IMAGES' },
      { title: 'LISTED', droppable: 2 },
    ],
    registries.map(({ registry, login, images, listedAt }) => [
      registry,
      login?.username ?? '-',
      login === undefined ? '-' : login.since.slice(0, 10),
      String(images),
      listedAt === undefined ? 'never' : instant(listedAt),
    ]),
    columns(),
  )
  // Faults stand below the table, because they may be long.
  const faults = registries.flatMap(({ registry, fault }) => (fault === undefined ? [] : [`${registry}: ${fault}`]))
  return [listed, ...(faults.length === 0 ? [] : ['', ...faults])].join('\n')
}
