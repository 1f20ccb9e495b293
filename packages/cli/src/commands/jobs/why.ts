import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { usageFailure } from '../../failure.ts'
import { invocationOf, show } from '../../invocation.ts'
import { columns } from '../../output/terminal.ts'
import { platformFor } from '../../platform.ts'
import { whyText } from '../../output/why-text.ts'

/** Defines `canfar why`. */
export function define(program: Command): void {
  program
    .command('why')
    .description('Explain why jobs wait: jobs ahead, expected start, and changes that would start them sooner.')
    .argument('<ids...>', 'ids of jobs')
    .addHelpText(...examples('canfar why k3x9a0qz', 'canfar why k3x9a0qz --json'))
    .action(async (ids: readonly string[], _options: unknown, self: Command) => {
      const invocation = invocationOf(self)
      const jobs = await (await platformFor(invocation)).jobs()
      if (jobs === undefined)
        throw usageFailure(
          'this server does not explain why a job waits',
          'list the events of the job: canfar events ID',
        )
      const whys = []
      for (const id of ids) whys.push(await jobs.why(id))
      await show(invocation, whys, (all) => all.map((why) => whyText(why, Date.now(), columns())).join('\n\n'))
    })
}
