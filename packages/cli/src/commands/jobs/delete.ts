import { ProblemError } from '@science-platform/client'
import type { CancelledJobs } from '@science-platform/contract'
import { isEnded } from '@science-platform/contract/states'
import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { usageFailure } from '../../failure.ts'
import { confirm, requireTerminal } from '../../run/confirm.ts'
import { jobsFor, unknownHere } from '../../run/earlier-server.ts'
import { reportFailure, reportOf } from '../../output/failure-report.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { platformFor, type Platform } from '../../platform.ts'

/** Defines `canfar delete`, also called `cancel`. */
export function define(program: Command): void {
  program
    .command('delete')
    .description(
      'Cancel jobs that wait or run, and remove ended jobs from the list. With ids the command does not ask. With --label or --prefix it shows the number of jobs and asks; it cancels those that wait or run, and leaves ended ones in the list.',
    )
    .argument('[ids...]', 'ids of jobs')
    .option('--label <label>', 'cancel your jobs with this label, such as run=7, or run for any value')
    .option('--prefix <text>', 'cancel your jobs whose name begins so, such as night-; 3 characters or more')
    .option('--owner <user>', 'with --label or --prefix: the jobs of this user, such as ada; for administrators')
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'with --label or --prefix: print the ids and cancel nothing')
    .option('-f, --force', 'accepted for scripts and without effect')
    .addHelpText(
      ...examples(
        'canfar delete k3x9a0qz',
        'canfar cancel $(canfar ps --quiet)',
        'canfar cancel --label run=7',
        'canfar cancel --prefix night- --yes',
      ),
    )
    .action(async (ids: readonly string[], options: DeleteOptions, self: Command) => {
      const { label, prefix } = options
      if ([ids.length > 0, label !== undefined, prefix !== undefined].filter(Boolean).length !== 1)
        throw usageFailure(
          'give exactly one of ids, --label and --prefix',
          'canfar cancel ID, or canfar cancel --label KEY=VALUE',
        )
      if (ids.length === 0) return cancelMatching(options, invocationOf(self))
      const option = options.owner !== undefined ? '--owner' : options.dryRun === true ? '--dry-run' : undefined
      if (option !== undefined)
        throw usageFailure(`${option} is for --label and --prefix`, `leave ${option} out beside ids`)
      return deleteAll(ids, invocationOf(self))
    })
}

interface DeleteOptions {
  readonly label?: string
  readonly prefix?: string
  readonly owner?: string
  readonly yes?: true
  readonly dryRun?: true
}

/** Cancels the jobs with a label or a beginning of their names, after a look at how many they are. */
async function cancelMatching(options: DeleteOptions, invocation: Invocation): Promise<void> {
  const { label, prefix, owner, yes = false, dryRun = false } = options
  const request = {
    ...(label === undefined ? {} : { label }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(owner === undefined ? {} : { owner }),
  }
  const which = `${owner === undefined ? '' : ` of ${owner}`} ${label === undefined ? `whose name begins with ${prefix}` : `with the label ${label}`}`
  if (!yes && !dryRun) requireTerminal(`cancel the jobs${which}?`, '--yes')
  const jobs = await jobsFor(await platformFor(invocation), label === undefined ? '--prefix' : '--label')
  const send = async (isDryRun: boolean): Promise<CancelledJobs> => {
    try {
      return await jobs.cancelMany(isDryRun ? { ...request, dryRun: true } : request)
    } catch (error) {
      // A server of an earlier version takes "cancel" for the id of a job.
      const isEarlier = error instanceof ProblemError && (error.status === 404 || error.status === 405)
      throw isEarlier ? unknownHere(label === undefined ? '--prefix' : '--label', error) : error
    }
  }
  const isAsking = !yes && !dryRun
  const found = isAsking || dryRun ? await send(true) : undefined
  const count = found?.counts.cancelled
  if (isAsking && count !== undefined && count > 0)
    await confirm({ text: `Cancel ${counted(count)}${which}?`, option: '--yes', kept: 'nothing was cancelled' })
  const result = found === undefined || (isAsking && count !== 0) ? await send(false) : found
  await show(invocation, result, ({ cancelled, counts }) => {
    if (counts.cancelled === 0) return `No job${which} waits or runs.`
    return dryRun
      ? [...cancelled, `Would cancel ${counted(counts.cancelled)}${which}.`].join('\n')
      : `Cancelled ${counted(counts.cancelled)}${which}.`
  })
}

const counted = (count: number): string => `${count} ${count === 1 ? 'job' : 'jobs'}`

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
