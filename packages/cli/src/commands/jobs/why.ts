import type { Command } from 'commander'
import { usageFailure } from '../../failure.ts'
import { invocationOf, show } from '../../invocation.ts'
import { columns } from '../../output/terminal.ts'
import { platformFor } from '../../platform.ts'
import { whyText } from '../../output/why-text.ts'

/** Defines `canfar why`. */
export function define(program: Command): void {
  program
    .command('why')
    .summary('why jobs wait, and until when')
    .description('Show why jobs wait, what is ahead of them, when they are expected to start, and what would help.')
    .argument('<ids...>', 'ids of jobs')
    .addHelpText('after', '\nExamples:\n  canfar why k3x9a0qz\n  canfar why k3x9a0qz --json')
    .action(async (ids: readonly string[], _options: unknown, self: Command) => {
      const invocation = invocationOf(self)
      const jobs = await (await platformFor(invocation)).jobs()
      if (jobs === undefined)
        throw usageFailure('this server cannot tell why a job waits', 'see what happened to it: canfar events ID')
      const whys = []
      for (const id of ids) whys.push(await jobs.why(id))
      await show(invocation, whys, (all) => all.map((why) => whyText(why, Date.now(), columns())).join('\n\n'))
    })
}
