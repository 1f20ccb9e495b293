import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { exitCodesHelp } from '../../exit-codes.ts'
import { print } from '../../output/terminal.ts'

/** Defines `canfar help`. The command that it explains is loaded. */
export function define(program: Command): void {
  program
    .command('help')
    .description('Explain a command, or the exit codes.')
    .argument('[command...]', 'command, or exit-codes')
    .addHelpText(...examples('canfar help create', 'canfar help auth token', 'canfar help exit-codes'))
    .action((names: readonly string[]) => {
      if (names[0] === 'exit-codes') {
        print(exitCodesHelp())
        return
      }
      let command = program
      for (const name of names) {
        const found = command.commands.find((child) => child.name() === name || child.aliases().includes(name))
        if (found === undefined) command.error(`unknown command '${name}'`, { code: 'commander.unknownCommand' })
        else command = found
      }
      command.outputHelp()
    })
}
