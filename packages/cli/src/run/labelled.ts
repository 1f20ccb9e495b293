import type { ListQuery } from '@science-platform/client'
import type { Job } from '@science-platform/contract'
import { CommandFailure } from '../failure.ts'
import type { Platform } from '../platform.ts'
import { explained, jobsFor } from './earlier-server.ts'

/** The jobs of a user with a label, `KEY=VALUE` or `KEY`, oldest first. */
export async function labelledJobs<F extends keyof Job>(
  platform: Pick<Platform, 'jobs'>,
  label: string,
  query: Required<Pick<ListQuery<F>, 'fields'>> & Pick<ListQuery, 'state'>,
): Promise<Pick<Job, F>[]> {
  const jobs = await jobsFor(platform, '--label')
  try {
    const found: Pick<Job, F>[] = []
    for await (const job of jobs.listAll({ ...query, label, sort: 'submitted', limit: 1_000 })) found.push(job)
    return found
  } catch (error) {
    throw explained(error, { label: '--label', fields: '--label' })
  }
}

/** The failure of a command for which there is no job with a label. */
export const noneLabelled = (label: string): CommandFailure =>
  new CommandFailure(
    'notFound',
    'command.not_found',
    `no job of yours has the label ${label}`,
    `list your jobs with it: canfar ps --all --label ${label}`,
  )
