import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { usageFailure } from '../../failure.ts'
import { endingLines, endingsExitCode } from '../../run/ending.ts'
import { interrupted, takeInterrupts } from '../../run/interruption.ts'
import { invocationOf, type Invocation } from '../../invocation.ts'
import { lastLines } from '../../run/last-lines.ts'
import { platformFor } from '../../platform.ts'
import { serialise } from '../../output/format.ts'
import { isInteractive, note, print } from '../../output/terminal.ts'
import { labelledJobs, noneLabelled } from '../../run/labelled.ts'
import { waitForEndings } from '../../run/wait.ts'

/** Defines `canfar wait`. */
export function define(program: Command): void {
  program
    .command('wait')
    .description(
      'Wait until every job has ended, then exit with the exit code of the job (see canfar help exit-codes).',
    )
    .argument('[ids...]', 'ids of jobs')
    .option('--label <label>', 'wait for your jobs with this label, such as run=7, or run')
    .addHelpText(...examples('canfar wait k3x9a0qz && canfar logs k3x9a0qz', 'canfar wait --label run=7'))
    .action(async (ids: readonly string[], { label }: { readonly label?: string }, self: Command) => {
      if ((ids.length === 0) === (label === undefined))
        throw usageFailure('give ids or --label, and not both', 'canfar wait ID, or canfar wait --label KEY=VALUE')
      await wait(ids, label, invocationOf(self))
    })
}

/** The jobs with a label are those that exist now. */
async function wait(named: readonly string[], label: string | undefined, invocation: Invocation): Promise<void> {
  const platform = await platformFor(invocation)
  const ids =
    label === undefined ? named : (await labelledJobs(platform, label, { fields: ['id'] })).map(({ id }) => id)
  if (label !== undefined && ids.length === 0) throw noneLabelled(label)
  const interruption = takeInterrupts()
  if (isInteractive())
    note(
      ids.length === 1
        ? 'waiting for the job; Ctrl-C stops waiting, and the job continues'
        : `waiting for ${ids.length} jobs; Ctrl-C stops waiting, and the jobs continue`,
    )
  try {
    const jobs = await platform.jobs()
    let told = Promise.resolve()
    const endings = await waitForEndings(platform, ids, {
      signal: interruption.signal,
      onEnded: (ending) => {
        if (invocation.format !== 'human') return
        // Of several jobs the lines would bury the endings.
        const last = ids.length === 1 ? lastLines(jobs, ending, interruption.signal) : Promise.resolve([])
        told = told.then(async () => {
          print([...endingLines(ending), ...(await last)].join('\n'))
        })
      },
    })
    await told
    if (invocation.format !== 'human') print(await serialise(endings, invocation.format))
    process.exitCode = endingsExitCode(endings)
  } catch (error) {
    throw interruption.signal.aborted
      ? interrupted(
          'interrupted; the jobs continue',
          `canfar wait ${label === undefined ? ids.join(' ') : `--label ${label}`}`,
        )
      : error
  } finally {
    interruption.release()
  }
}
