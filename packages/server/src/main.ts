import { inspect } from 'node:util'
import { Command, CommanderError } from 'commander'
import { errorFacts, errorText } from './lib/error-facts.ts'
import { InvalidRequest } from './job/invalid.ts'

/** A command that is loaded only when the command line names it: `serve` loads much that the others do not need. */
interface LazyCommand {
  readonly summary: string
  readonly load: () => Promise<{ readonly define: (command: Command) => void }>
}

const commands: Readonly<Record<string, LazyCommand>> = {
  serve: {
    summary: 'start the platform; SIGTERM stops it, and jobs continue',
    load: () => import('./commands/serve.ts'),
  },
  user: { summary: 'manage users', load: () => import('./commands/user.ts') },
  group: { summary: 'manage groups of users', load: () => import('./commands/group.ts') },
  project: { summary: 'manage project directories', load: () => import('./commands/project.ts') },
  token: { summary: 'manage tokens', load: () => import('./commands/token.ts') },
  limit: { summary: 'manage limits and weights of users and groups', load: () => import('./commands/limit.ts') },
  backup: {
    summary: 'write the database to a file while the server runs',
    load: async () => ({ define: (await import('./commands/backup.ts')).defineBackup }),
  },
  restore: {
    summary: 'make a data directory from a backup',
    load: async () => ({ define: (await import('./commands/backup.ts')).defineRestore }),
  },
  adopt: {
    summary: 'show and take over attempts that the database has no record of',
    load: () => import('./commands/adopt.ts'),
  },
  audit: { summary: 'show the audit trail', load: () => import('./commands/audit.ts') },
  image: { summary: 'manage the local image store', load: () => import('./commands/image.ts') },
}

/** The program `science-platform`. Only the command that the words name is loaded; the others have a summary. */
async function program(words: readonly string[]): Promise<Command> {
  const program = new Command('science-platform')
    .description('The science platform: queues, runs and explains container jobs.')
    .showHelpAfterError('(see science-platform --help)')
    // Commands inherit this setting when they are made: usage errors exit with 2.
    .exitOverride()
  const [chosen] = words.filter((word) => !word.startsWith('-') && word !== 'help')
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const command = program.command(name).description(summary)
    if (name === chosen) (await load()).define(command)
  }
  return program
}

try {
  await (await program(process.argv.slice(2))).parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2
  } else {
    const facts = errorFacts(error instanceof Error ? error : new Error(String(error)))
    process.stderr.write(`science-platform: ${errorText(facts)}\n`)
    if (process.env.DEBUG !== undefined) process.stderr.write(`${inspect(error)}\n`)
    if (error instanceof InvalidRequest) process.stderr.write(`fix: ${error.hint}\n`)
    process.exitCode = 1
  }
}
