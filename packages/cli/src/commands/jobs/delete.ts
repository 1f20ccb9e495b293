import { ProblemError } from '@science-platform/client'
import { isEnded } from '@science-platform/contract/states'
import type { Command } from 'commander'
import { reportFailure, reportOf } from '../../output/failure-report.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { platformFor, type Platform } from '../../platform.ts'

/** Defines `canfar delete`, also called `cancel`. */
export function define(program: Command): void {
  program
    .command('delete')
    .alias('cancel')
    .summary('end jobs and take them off the list')
    .description('End jobs that wait or run, and take ended ones off the list. No question is asked.')
    .argument('<ids...>', 'ids of jobs')
    .option('-f, --force', 'accepted for the sake of scripts; nothing is ever asked')
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

/** Says what was done. The skaha wire answers success for any id, so our own API is asked whether there is such a job. */
async function deleteOne({ session, jobs: detect }: Platform, id: string): Promise<string> {
  const jobs = await detect()
  const job = await jobs?.get(id).catch(async (error: unknown) => {
    if (!(error instanceof ProblemError) || error.status !== 404) throw error
    // Interactive sessions are no jobs: what is no session either is not there at all.
    await session.info(id).catch(() => {
      throw error
    })
    return undefined
  })
  await session.destroy(id)
  if (job === undefined) return `Deleted ${id}.`
  return isEnded(job.state) ? `Deleted ${id} (${job.name}), which had ${job.state}.` : `Cancelled ${id} (${job.name}).`
}
