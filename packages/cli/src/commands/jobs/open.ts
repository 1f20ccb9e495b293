import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { SessionRecord } from '@science-platform/contract'
import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { CommandFailure } from '../../failure.ts'
import { invocationOf, show } from '../../invocation.ts'
import { platformFor } from '../../platform.ts'
import { isInteractive } from '../../output/terminal.ts'

/** Defines `canfar open`. */
export function define(program: Command): void {
  program
    .command('open')
    .description('Print the addresses of running interactive sessions and open them in a browser.')
    .argument('<ids...>', 'ids of sessions')
    .addHelpText(...examples('canfar open k3x9a0qz'))
    .action(async (ids: readonly string[], _options: unknown, self: Command) => {
      const invocation = invocationOf(self)
      const { session } = await platformFor(invocation)
      const urls = (await session.info(ids)).map(addressOf)
      await show(invocation, urls, (all) => all.join('\n'))
      if (invocation.format === 'human' && isInteractive()) for (const url of urls) await openBrowser(url)
    })
}

function addressOf({ id, type, status, connectURL }: SessionRecord): string {
  if (connectURL !== '' && status === 'Running') return connectURL
  if (type === 'headless')
    throw new CommandFailure(
      'failure',
      'session.no-address',
      `${id} is a headless job and has no web page`,
      `print its output with canfar logs -f ${id}`,
    )
  throw new CommandFailure(
    'failure',
    'session.not-running',
    `${id} is ${status.toLowerCase()}`,
    `open it when canfar ps shows the status Running`,
  )
}

/** Asks the desktop to open an address. Does nothing on a machine without a desktop. */
async function openBrowser(url: string): Promise<void> {
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open'
  const child = spawn(program, [url], { stdio: 'ignore', detached: true })
  await once(child, 'spawn').catch(() => undefined)
  child.unref()
}
