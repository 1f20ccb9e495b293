import { Argument, type Command } from 'commander'
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
    .summary('completion for your shell')
    .description(
      [
        'Print a script that completes commands, options and ids.',
        '',
        'bash:  canfar completion bash > ~/.local/share/bash-completion/completions/canfar',
        'zsh:   canfar completion zsh > "${fpath[1]}/_canfar"',
        'fish:  canfar completion fish > ~/.config/fish/completions/canfar.fish',
      ].join('\n'),
    )
    .addArgument(new Argument('<shell>', 'your shell').choices(Object.keys(scripts)))
    .action((shell: keyof typeof scripts) => {
      print(scripts[shell](program.commands.map((command) => completed(command))))
    })
}

/** The commands whose words are ids of jobs. */
const takesIds = new Set(['info', 'logs', 'events', 'stats', 'delete', 'renew', 'open', 'wait'])

function completed(command: Command): CompletedCommand {
  return {
    name: command.name(),
    aliases: command.aliases(),
    summary: command.summary() || command.description(),
    options: command.options.flatMap(({ long, short, description }) =>
      long == null ? [] : [{ long, ...(short == null ? {} : { short }), description }],
    ),
    commands: command.commands.map((child) => completed(child)),
    takesIds: takesIds.has(command.name()),
  }
}
