import type { Registry } from '@science-platform/contract'
import type { Command } from 'commander'
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
    .summary('your credentials for private images')
    .description(
      'Registries that images may come from, and your credentials there. The platform keeps them encrypted, sends them to ' +
        'their own registry alone, and never shows them again.',
    )
  registry
    .command('login')
    .summary('store credentials for a registry')
    .description(
      'Try credentials at a registry and store them on the platform. The password is asked for, or read from stdin.',
    )
    .argument('<host>', 'the registry, as images name it: images.canfar.net')
    .option('-u, --username <name>', 'the user name there')
    .option('--password-stdin', 'read the password from stdin')
    .option('--no-check', 'store them without trying them')
    .addHelpText('after', '\nExample:\n  canfar registry login images.canfar.net -u ada --password-stdin < secret')
    .action(async (host: string, options: LoginOptions, self: Command) => logIn(host, options, invocationOf(self)))
  registry
    .command('logout')
    .summary('forget the credentials for a registry')
    .description('Forget your credentials for a registry. Jobs that have not started yet do without them.')
    .argument('<host>', 'the registry, from canfar registry list')
    .action(async (host: string, _options: unknown, self: Command) => logOut(host, invocationOf(self)))
  registry
    .command('list')
    .alias('ls')
    .summary('list the registries, and who you are there')
    .description('List the registries that images may come from, and who you are there.')
    .action(async (_options: unknown, self: Command) => list(invocationOf(self)))
}

async function logIn(host: string, options: LoginOptions, invocation: Invocation): Promise<void> {
  if (!isInteractive() && (options.username === undefined || options.passwordStdin !== true))
    throw usageFailure('there is no terminal to ask on', 'give -u NAME and --password-stdin')
  const { images } = await platformFor(invocation)
  const username = options.username ?? (await ask(`User name at ${host}: `))
  const secret = options.passwordStdin ? await readLine() : await askSecret(`Password or token of ${username}: `)
  if (secret === '') throw usageFailure('the password is empty', 'give it on the first line of stdin')
  const result = await images.logIn(host, { username, secret, check: options.check })
  const remark =
    result.checked || !options.check ? '' : ' The registry asks nobody for credentials, so they were not tried.'
  await show(invocation, result, () => `Stored credentials of ${username} for ${host}.${remark}`)
}

async function logOut(host: string, invocation: Invocation): Promise<void> {
  const { images } = await platformFor(invocation)
  await images.logOut(host)
  await show(invocation, { registry: host }, () => `Forgot your credentials for ${host}.`)
}

async function list(invocation: Invocation): Promise<void> {
  const { images } = await platformFor(invocation)
  await show(invocation, await images.registries(), registryTable)
}

function registryTable(registries: readonly Registry[]): string {
  if (registries.length === 0) return 'Images come from the local store alone.'
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
  // Below the table, where they may be as long as they are.
  const faults = registries.flatMap(({ registry, fault }) => (fault === undefined ? [] : [`${registry}: ${fault}`]))
  return [listed, ...(faults.length === 0 ? [] : ['', ...faults])].join('\n')
}
