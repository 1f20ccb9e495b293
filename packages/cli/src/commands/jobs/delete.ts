import { ProblemError } from '@science-platform/client'
import { isEnded } from '@science-platform/contract/states'
import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { reportFailure, reportOf } from '../../output/failure-report.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { platformFor, type Platform } from '../../platform.ts'

/** Defines `canfar delete`, also called `cancel`. */
export function define(program: Command): void {
  program
    .command('delete')
    .description('Cancel jobs that wait or run, and remove ended jobs from the list. The command does not ask.')
    .argument('<ids...>', 'ids of jobs')
    .option('-f, --force', 'accepted for scripts and without effect')
    .addHelpText(...examples('canfar delete k3x9a0qz', 'canfar cancel $(canfar ps --quiet)'))
    .action(async (ids: readonly string[], _options: unknown, self: Command) => {
      await deleteAll(ids, invocationOf(self))
    })
}

async function deleteAll(ids: readonly string[], invocation: Invocation): Promise<void> {
  const platform = await platformFor(invocation)
  const done: Record<string, boolean> = {}
  const lines: string[] = []
  const reports = []
  for (const id of ids) {
    try {
      lines.push(await deleteOne(platform, id))
      done[id] = true
    } catch (error) {
      done[id] = false
      reports.push(reportOf(error))
    }
  }
  if (lines.length > 0 || invocation.format !== 'human') await show(invocation, done, () => lines.join('\n'))
  for (const report of reports) {
    reportFailure(report, invocation.format)
    process.exitCode ??= report.exitCode
  }
}

/** Deletes a job and returns a line about it. The skaha wire accepts any id, so the platform's own API is asked for the job first. */
async function deleteOne({ session, jobs: detect }: Platform, id: string): Promise<string> {
  const jobs = await detect()
  const job = await jobs?.get(id).catch(async (error: unknown) => {
    if (!(error instanceof ProblemError) || error.status !== 404) throw error
    // An interactive session is not a job. An id that is neither does not exist.
    await session.info(id).catch(() => {
      throw error
    })
    return undefined
  })
  await session.destroy(id)
  if (job === undefined) return `Deleted ${id}.`
  return isEnded(job.state) ? `Deleted ${id} (${job.name}), which had ${job.state}.` : `Cancelled ${id} (${job.name}).`
}
