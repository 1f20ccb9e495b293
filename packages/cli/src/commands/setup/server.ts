import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { withActiveServer, type Server } from '../../config/configuration.ts'
import { loadConfiguration, saveConfiguration } from '../../config/configuration-file.ts'
import { CommandFailure } from '../../failure.ts'
import { invocationOf, show } from '../../invocation.ts'
import { howToLogIn } from '../../config/server-login.ts'
import { table } from '../../output/table.ts'
import { columns } from '../../output/terminal.ts'

type Listed = Server & { readonly name: string; readonly active: boolean }

/** Defines `canfar server`. */
export function define(program: Command): void {
  const server = program.command('server').description('List and choose the servers you have logged in to.')
  server
    .command('ls')
    .description('List the saved servers.')
    .addHelpText(...examples('canfar server ls'))
    .action(async (_options: unknown, self: Command) => {
      const { servers = {}, active } = (await loadConfiguration()) ?? {}
      const all = Object.entries(servers).map(([name, record]): Listed => ({
        ...record,
        name,
        active: name === active?.server,
      }))
      await show(invocationOf(self), all, serverTable)
    })
  server
    .command('use')
    .description('Make another server active, with the login that belongs to it.')
    .argument('<name>', 'name, address or URI of a saved server')
    .addHelpText(...examples('canfar server use mine'))
    .action(async (name: string, _options: unknown, self: Command) => {
      const configuration = await loadConfiguration()
      const changed = configuration === undefined ? 'there are no saved servers' : withActiveServer(configuration, name)
      if (typeof changed === 'string')
        throw new CommandFailure('notFound', 'server.unknown', changed, `canfar server ls, or ${howToLogIn}`)
      await saveConfiguration(changed)
      await show(invocationOf(self), changed.active, () => `The active server is ${changed.active.server}.`)
    })
}

const serverTable = (servers: readonly Listed[]): string =>
  servers.length === 0
    ? `There are no saved servers. ${howToLogIn}`
    : table(
        [
          { title: 'ACTIVE' },
          { title: 'NAME' },
          { title: 'VERSION' },
          { title: 'LOGIN', droppable: 1 },
          { title: 'URL' },
        ],
        servers.map(({ active, name, version, idp, url }) => [
          active ? '*' : '',
          name,
          version ?? '',
          idp ?? '',
          url ?? '',
        ]),
        columns(),
      )
