import {
  nameMatcher,
  sessionKinds,
  sessionStatuses,
  type SessionKind,
  type SessionStatus,
} from '@science-platform/client'
import { Argument, type Command } from 'commander'
import { examples } from '../../examples.ts'
import { invocationOf, show } from '../../invocation.ts'
import { platformFor } from '../../platform.ts'

interface PruneOptions {
  readonly dryRun?: true
}

/** Defines `canfar prune`. */
export function define(program: Command): void {
  program
    .command('prune')
    .description(
      'Delete the jobs whose name begins with PREFIX. A prefix with any of .^$*+?{}[]()| is a regular expression and may match anywhere in the name.',
    )
    .argument('<prefix>', 'beginning of the name, or a regular expression')
    .addArgument(new Argument('[kind]', 'kind of session').choices(sessionKinds).default('headless'))
    .addArgument(new Argument('[status]', 'status of the jobs').choices(sessionStatuses).default('Succeeded'))
    .option('--dry-run', 'print the ids and delete nothing')
    .addHelpText(...examples('canfar prune study', 'canfar prune "night-[0-9]+$" headless Failed --dry-run'))
    .action(
      async (prefix: string, kind: SessionKind, status: SessionStatus, { dryRun }: PruneOptions, self: Command) => {
        const invocation = invocationOf(self)
        const matches = nameMatcher(prefix)
        const { session } = await platformFor(invocation)
        const sessions = (await session.fetch({ kind, status })).filter(({ name }) => matches(name))
        const ids = sessions.map(({ id }) => id)
        if (dryRun === true) {
          await show(invocation, ids, () =>
            [...sessions.map(({ id, name }) => `${id}  ${name}`), `Would delete ${counted(ids)}.`].join('\n'),
          )
          return
        }
        await show(invocation, await session.destroy(ids), () => `Deleted ${counted(ids)}.`)
      },
    )
}

const counted = (ids: readonly string[]): string => `${ids.length} ${ids.length === 1 ? 'session' : 'sessions'}`
