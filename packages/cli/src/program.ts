import { Command, Option } from 'commander'
import { exitCodesHelp } from './exit-codes.ts'
import { columns, print } from './output/terminal.ts'

/** A command that is loaded only when it is wanted: most of the time to start is loading. */
interface LazyCommand {
  readonly name: string
  readonly alias?: string
  readonly summary: string
  readonly group: string
  /** `command` are the words after `--`. */
  readonly load: () => Promise<{ define: (program: Command, command: readonly string[]) => void }>
}

const jobs = 'Jobs:'
const platform = 'Platform:'
const setup = 'Login and settings:'

const lazyCommands: readonly LazyCommand[] = [
  { name: 'create', summary: 'submit a job', group: jobs, load: () => import('./commands/jobs/create.ts') },
  { name: 'ps', summary: 'list your jobs', group: jobs, load: () => import('./commands/jobs/ps.ts') },
  { name: 'info', summary: 'all there is to know of jobs', group: jobs, load: () => import('./commands/jobs/info.ts') },
  { name: 'logs', summary: 'what jobs have written', group: jobs, load: () => import('./commands/jobs/logs.ts') },
  { name: 'events', summary: 'what happened to jobs', group: jobs, load: () => import('./commands/jobs/events.ts') },
  { name: 'why', summary: 'why jobs wait, and until when', group: jobs, load: () => import('./commands/jobs/why.ts') },
  { name: 'wait', summary: 'wait until jobs have ended', group: jobs, load: () => import('./commands/jobs/wait.ts') },
  {
    name: 'delete',
    alias: 'cancel',
    summary: 'end jobs and take them off the list',
    group: jobs,
    load: () => import('./commands/jobs/delete.ts'),
  },
  { name: 'prune', summary: 'delete jobs by name', group: jobs, load: () => import('./commands/jobs/prune.ts') },
  {
    name: 'renew',
    summary: 'give running sessions more time',
    group: jobs,
    load: () => import('./commands/jobs/renew.ts'),
  },
  {
    name: 'open',
    summary: 'open interactive sessions in a browser',
    group: jobs,
    load: () => import('./commands/jobs/open.ts'),
  },
  {
    name: 'stats',
    summary: 'what jobs use, or the load of the platform',
    group: platform,
    load: () => import('./commands/platform/stats.ts'),
  },
  {
    name: 'queue',
    summary: 'how full the platform is',
    group: platform,
    load: () => import('./commands/platform/queue.ts'),
  },
  {
    name: 'image',
    summary: 'images: what there is, what it is, fetch it beforehand',
    group: platform,
    load: () => import('./commands/platform/image.ts'),
  },
  {
    name: 'registry',
    summary: 'your credentials for private images',
    group: platform,
    load: () => import('./commands/platform/registry.ts'),
  },
  { name: 'login', summary: 'log in to a server', group: setup, load: () => import('./commands/setup/login.ts') },
  { name: 'auth', summary: 'log in, and manage logins', group: setup, load: () => import('./commands/setup/auth.ts') },
  {
    name: 'server',
    summary: 'the servers you have logged in to',
    group: setup,
    load: () => import('./commands/setup/server.ts'),
  },
  {
    name: 'config',
    summary: 'the settings of this program',
    group: setup,
    load: () => import('./commands/setup/config.ts'),
  },
  {
    name: 'completion',
    summary: 'completion for your shell',
    group: setup,
    load: () => import('./commands/setup/completion.ts'),
  },
  {
    name: 'version',
    summary: 'the version of this program',
    group: setup,
    load: () => import('./commands/setup/version.ts'),
  },
]

/** What a command line is about: the words before `--`, and the command after it, which nothing here may touch. */
export interface CommandLine {
  readonly words: readonly string[]
  readonly command: readonly string[]
}

/** Parts a command line at the first `--`. */
export function splitCommandLine(argv: readonly string[]): CommandLine {
  const at = argv.indexOf('--')
  return at === -1 ? { words: argv, command: [] } : { words: argv.slice(0, at), command: argv.slice(at + 1) }
}

/** The program with those commands loaded that the command line needs. */
export async function createProgram({ words, command }: CommandLine): Promise<Command> {
  const program = new Command('canfar')
    .description('Run jobs in containers on a science platform.')
    .usage('COMMAND [options]')
    .addOption(new Option('-o, --output <format>', 'write json or yaml, for programs').choices(['json', 'yaml']))
    .option('--json', 'the same as --output json')
    .option('-v, --verbose', 'tell every request to the server on stderr')
    .option('--debug', 'tell where an error happened')
    .addOption(new Option('--log-level <level>', 'debug is the same as --verbose').hideHelp())
    .configureHelp({ showGlobalOptions: true, helpWidth: columns() })
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .addHelpText('after', '\ncanfar help COMMAND tells more of a command, canfar help exit-codes the codes.')
    // Commands inherit these settings when they are made, so they come before any.
    .exitOverride()
    .configureOutput({ outputError: () => undefined, writeErr: () => undefined, getOutHelpWidth: columns })
  const chosen = chosenCommand(words)
  for (const lazy of lazyCommands) {
    if (isNamed(lazy, chosen) || chosen === 'completion') (await lazy.load()).define(program, command)
    else stub(program, lazy)
    program.commands.at(-1)?.helpGroup(lazy.group)
  }
  defineHelp(program)
  return program
}

const isNamed = ({ name, alias }: LazyCommand, word: string | undefined): boolean =>
  word !== undefined && (word === name || word === alias)

/** The name and summary alone, enough for the list of commands and for suggestions. */
function stub(program: Command, { name, alias, summary }: LazyCommand): void {
  const command = program.command(name).summary(summary).description(summary)
  if (alias !== undefined) command.alias(alias)
}

/** The first word that is neither an option nor the value of one; after `help` the next. */
export function chosenCommand(words: readonly string[]): string | undefined {
  const plain = words.filter(
    (word, index) => !word.startsWith('-') && !['-o', '--output', '--log-level'].includes(words[index - 1] ?? ''),
  )
  return plain[0] === 'help' ? plain[1] : plain[0]
}

function defineHelp(program: Command): void {
  program
    .command('help')
    .summary('more of one command, or the exit codes')
    .description('Show help for a command, or for the topic exit-codes.')
    .argument('[command...]', 'a command, or exit-codes')
    .helpGroup(setup)
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
