import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { usageFailure } from '../../failure.ts'
import { followOutput, printPrefixed, printStream } from '../../run/follow.ts'
import { MissingOutput } from '../../run/missing-output.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { platformFor, type Platform } from '../../platform.ts'
import { print } from '../../output/terminal.ts'

interface LogsOptions {
  readonly follow?: true
}

/** Defines `canfar logs`. */
export function define(program: Command): void {
  program
    .command('logs')
    .description('Print the output of jobs, stdout and stderr, unchanged.')
    .argument('<ids...>', 'ids of jobs')
    .option('-f, --follow', 'continue until the jobs have ended')
    .addHelpText(...examples('canfar logs k3x9a0qz', 'canfar logs --follow k3x9a0qz p8x9a0qz'))
    .action(async (ids: readonly string[], { follow }: LogsOptions, self: Command) => {
      const invocation = invocationOf(self)
      if (follow === true && invocation.format !== 'human')
        throw usageFailure(
          '--follow prints output as it comes and cannot be combined with --json or --output',
          'leave one of them out',
        )
      await (follow === true ? followAll(ids, invocation) : logs(ids, invocation))
    })
}

async function followAll(ids: readonly string[], invocation: Invocation): Promise<void> {
  const platform = await platformFor(invocation)
  const missing = new MissingOutput()
  if (ids.length === 1) await printStream(followOutput(platform, ids[0] ?? '', missing))
  else await Promise.all(ids.map((id) => printPrefixed(followOutput(platform, id, missing), `${id} | `)))
  missing.report()
}

async function logs(ids: readonly string[], invocation: Invocation): Promise<void> {
  const platform = await platformFor(invocation)
  const missing = new MissingOutput()
  if (invocation.format !== 'human') {
    const texts: Record<string, string> = {}
    for (const id of ids) texts[id] = await wholeText(platform, id, missing)
    await show(invocation, texts, () => '')
    missing.report()
    return
  }
  for (const [index, id] of ids.entries()) {
    if (ids.length > 1) print(`${index === 0 ? '' : '\n'}==> ${id} <==`)
    await printStream(output(platform, id, missing))
  }
  missing.report()
}

async function* output(
  { session, jobs: detect }: Platform,
  id: string,
  missing: MissingOutput,
): AsyncGenerator<Uint8Array> {
  const jobs = await detect()
  if (jobs === undefined) yield Buffer.from((await session.logs(id))[id] ?? '')
  else yield* jobs.logs(id, { onGap: (gap) => missing.add(id, gap) })
}

async function wholeText(platform: Platform, id: string, missing: MissingOutput): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of output(platform, id, missing)) parts.push(part)
  return Buffer.concat(parts).toString()
}
