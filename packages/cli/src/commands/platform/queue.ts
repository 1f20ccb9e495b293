import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { usageFailure } from '../../failure.ts'
import { invocationOf, show } from '../../invocation.ts'
import { columns } from '../../output/terminal.ts'
import { platformFor } from '../../platform.ts'
import { queueText } from '../../output/queue-text.ts'

/** Defines `canfar queue`. */
export function define(program: Command): void {
  program
    .command('queue')
    .description('Show free capacity, waiting jobs, and how much of your limits you and your groups use.')
    .addHelpText(...examples('canfar queue', 'canfar queue --json'))
    .action(async (_options: unknown, self: Command) => {
      const invocation = invocationOf(self)
      const jobs = await (await platformFor(invocation)).jobs()
      if (jobs === undefined) throw usageFailure('this server does not show its queue', 'show its load: canfar stats')
      await show(invocation, await jobs.queue(), (queue) => queueText(queue, columns()))
    })
}
