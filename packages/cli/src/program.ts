import { Command, Option } from 'commander'
import { examples } from './examples.ts'
import { columns } from './output/terminal.ts'

/** A command that is loaded only when the command line names it: most of the start-up time is loading. */
interface LazyCommand {
  readonly alias?: string
  readonly summary: string
  /** `command` holds the words after `--`. */
  readonly load: () => Promise<{ define: (program: Command, command: readonly string[]) => void }>
}

const groups: Readonly<Record<string, Readonly<Record<string, LazyCommand>>>> = {
  'Jobs:': {
    create: { summary: 'submit a job', load: () => import('./commands/jobs/create.ts') },
    ps: { summary: 'list your jobs', load: () => import('./commands/jobs/ps.ts') },
    info: { summary: 'show details of jobs', load: () => import('./commands/jobs/info.ts') },
    logs: { summary: 'print the output of jobs', load: () => import('./commands/jobs/logs.ts') },
    events: { summary: 'list the events of jobs', load: () => import('./commands/jobs/events.ts') },
    why: { summary: 'explain why jobs wait', load: () => import('./commands/jobs/why.ts') },
    wait: { summary: 'wait until jobs have ended', load: () => import('./commands/jobs/wait.ts') },
    delete: {
      alias: 'cancel',
      summary: 'cancel jobs and remove them from the list',
      load: () => import('./commands/jobs/delete.ts'),
    },
    prune: { summary: 'delete jobs by name', load: () => import('./commands/jobs/prune.ts') },
    renew: { summary: 'extend running interactive sessions', load: () => import('./commands/jobs/renew.ts') },
    open: { summary: 'open interactive sessions in a browser', load: () => import('./commands/jobs/open.ts') },
  },
  'Platform:': {
    stats: {
      summary: 'show the usage of jobs, or the load of the platform',
      load: () => import('./commands/platform/stats.ts'),
    },
    queue: { summary: 'show how full the platform is', load: () => import('./commands/platform/queue.ts') },
    image: { summary: 'list, inspect and fetch images', load: () => import('./commands/platform/image.ts') },
    registry: {
      summary: 'manage your credentials for private images',
      load: () => import('./commands/platform/registry.ts'),
    },
  },
  'Login and settings:': {
    login: { summary: 'log in to a server', load: () => import('./commands/setup/login.ts') },
    auth: { summary: 'manage logins and tokens', load: () => import('./commands/setup/auth.ts') },
    server: { summary: 'list and choose servers', load: () => import('./commands/setup/server.ts') },
    config: { summary: 'show and change settings', load: () => import('./commands/setup/config.ts') },
    completion: {
      summary: 'print a completion script for your shell',
      load: () => import('./commands/setup/completion.ts'),
    },
    version: { summary: 'print the version', load: () => import('./commands/setup/version.ts') },
    help: { summary: 'explain a command, or the exit codes', load: () => import('./commands/setup/help.ts') },
  },
}

/** The words before `--`, and the command after it, which stays as it is. */
export interface CommandLine {
  readonly words: readonly string[]
  readonly command: readonly string[]
}

/** Splits a command line at the first `--`. */
export function splitCommandLine(argv: readonly string[]): CommandLine {
  const at = argv.indexOf('--')
  return at === -1 ? { words: argv, command: [] } : { words: argv.slice(0, at), command: argv.slice(at + 1) }
}

/** The program, with the commands loaded that the command line needs. */
export async function createProgram({ words, command }: CommandLine): Promise<Command> {
  const program = new Command('canfar')
    .description('Run jobs in containers on a science platform.')
    .usage('COMMAND [options]')
    .addOption(new Option('-o, --output <format>', 'format for programs').choices(['json', 'yaml']))
    .option('--json', 'the same as --output json')
    .option('-v, --verbose', 'print every request to the server on stderr')
    .option('--debug', 'print where an error happened')
    .addOption(new Option('--log-level <level>', 'debug is the same as --verbose').hideHelp())
    .configureHelp({ showGlobalOptions: true, helpWidth: columns() })
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addHelpText(...examples('canfar help create', 'canfar help exit-codes'))
    // Commands inherit these settings when they are made, so the settings come first.
    .exitOverride()
    .configureOutput({ outputError: () => undefined, writeErr: () => undefined, getOutHelpWidth: columns })
  const chosen = chosenCommand(words)
  const loadsAll = chosen === 'completion'
  for (const [group, commands] of Object.entries(groups))
    for (const [name, { alias, summary, load }] of Object.entries(commands)) {
      const isNamed = chosen === name || (alias !== undefined && chosen === alias)
      if (isNamed || loadsAll || name === 'help') (await load()).define(program, command)
      else program.command(name).description(summary)
      const added = program.commands.at(-1)?.summary(summary).helpGroup(group)
      if (alias !== undefined) added?.alias(alias)
    }
  return program
}

/** The first word that is neither an option nor the value of an option; after `help`, the next. */
export function chosenCommand(words: readonly string[]): string | undefined {
  const plain = words.filter(
    (word, index) => !word.startsWith('-') && !['-o', '--output', '--log-level'].includes(words[index - 1] ?? ''),
  )
  return plain[0] === 'help' ? plain[1] : plain[0]
}
