import type { Command } from 'commander'
import { usageFailure } from '../../failure.ts'
import { invocationOf, show } from '../../invocation.ts'
import { columns } from '../../output/terminal.ts'
import { platformFor } from '../../platform.ts'
import { queueText } from '../../output/queue-text.ts'

/** Defines `canfar queue`. */
export function define(program: Command): void {
  program
    .command('queue')
    .summary('how full the platform is')
    .description('Show what waits and what is free, and what you and your groups hold of your limits.')
    .addHelpText('after', '\nExamples:\n  canfar queue\n  canfar queue --json')
    .action(async (_options: unknown, self: Command) => {
      const invocation = invocationOf(self)
      const jobs = await (await platformFor(invocation)).jobs()
      if (jobs === undefined) throw usageFailure('this server does not show its queue', 'see its load: canfar stats')
      await show(invocation, await jobs.queue(), (queue) => queueText(queue, columns()))
    })
}
