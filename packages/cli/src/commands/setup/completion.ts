import { Argument, type Command } from 'commander'
import { examples } from '../../examples.ts'
import {
  bashCompletion,
  fishCompletion,
  zshCompletion,
  type CompletedCommand,
} from '../../output/completion-scripts.ts'
import { print } from '../../output/terminal.ts'

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }

/** Defines `canfar completion`. The program has every command loaded when this one is chosen. */
export function define(program: Command): void {
  program
    .command('completion')
    .description('Print a script that completes commands, options and ids.')
    .addArgument(new Argument('<shell>', 'your shell').choices(Object.keys(scripts)))
    .addHelpText(
      ...examples(
        'canfar completion bash > ~/.local/share/bash-completion/completions/canfar',
        'canfar completion zsh > "${fpath[1]}/_canfar"',
        'canfar completion fish > ~/.config/fish/completions/canfar.fish',
      ),
    )
    .action((shell: keyof typeof scripts) => {
      print(scripts[shell](completed(program)))
    })
}

/** What the scripts need to know of a command and the commands below it. */
export function completed(command: Command): CompletedCommand {
  const help = command.createHelp()
  return {
    name: command.name(),
    aliases: command.aliases(),
    summary: command.summary() || command.description(),
    options: help
      .visibleOptions(command)
      .flatMap(({ long, short, description }) =>
        long == null ? [] : [{ long, ...(short == null ? {} : { short }), description }],
      ),
    commands: command.commands.map(completed),
    takesIds: command.registeredArguments.some((argument) => argument.name() === 'ids'),
  }
}
