import type { Command } from 'commander'
import { invocationOf, show } from '../../invocation.ts'
import { platformFor } from '../../platform.ts'

/** Defines `canfar renew`. */
export function define(program: Command): void {
  program
    .command('renew')
    .summary('give running sessions more time')
    .description('Start the life time of running sessions anew.')
    .argument('<ids...>', 'ids of sessions')
    .action(async (ids: readonly string[], _options: unknown, self: Command) => {
      const invocation = invocationOf(self)
      const { session } = await platformFor(invocation)
      await show(invocation, await session.renew(ids), (renewed) =>
        Object.keys(renewed)
          .map((id) => `Renewed ${id}.`)
          .join('\n'),
      )
    })
}
