import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { invocationOf, show } from '../../invocation.ts'
import { platformFor } from '../../platform.ts'

/** Defines `canfar renew`. */
export function define(program: Command): void {
  program
    .command('renew')
    .description('Set the expiry of running sessions back to the full time.')
    .argument('<ids...>', 'ids of sessions')
    .addHelpText(...examples('canfar renew k3x9a0qz'))
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
