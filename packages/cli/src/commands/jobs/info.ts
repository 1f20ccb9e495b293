import { ProblemError, SessionError } from '@science-platform/client'
import type { Job, SessionRecord } from '@science-platform/contract'
import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { reportFailure, reportOf } from '../../output/failure-report.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { platformFor, type Platform } from '../../platform.ts'
import { jobFields, sessionFields } from '../../output/job-fields.ts'
import { fields } from '../../output/fields.ts'
import { columns } from '../../output/terminal.ts'

/** A session as on the wire, with its job where the server has our API. A cancelled job has no session any more. */
type Described = Partial<SessionRecord> & { readonly id: string; readonly job?: Job }

/** Defines `canfar info`. */
export function define(program: Command): void {
  program
    .command('info')
    .description('Show state, cause, requested and used resources, and times of jobs.')
    .argument('<ids...>', 'ids of jobs')
    .addHelpText(...examples('canfar info k3x9a0qz', 'canfar info k3x9a0qz --json'))
    .action(async (ids: readonly string[], _options: unknown, self: Command) => {
      await info(ids, invocationOf(self))
    })
}

async function info(ids: readonly string[], invocation: Invocation): Promise<void> {
  const platform = await platformFor(invocation)
  const described: Described[] = []
  const failures: unknown[] = []
  for (const outcome of await Promise.allSettled(ids.map((id) => describe(platform, id))))
    if (outcome.status === 'fulfilled') described.push(outcome.value)
    else failures.push(outcome.reason)
  if (described.length > 0 || invocation.format !== 'human')
    await show(invocation, described, (all) => all.map(text).join('\n\n'))
  for (const failure of failures) {
    const report = reportOf(failure)
    reportFailure(report, invocation.format)
    process.exitCode ??= report.exitCode
  }
}

async function describe({ session, jobs: detect }: Platform, id: string): Promise<Described> {
  const jobs = await detect()
  const record = session.info(id).then(
    ([first]) => first,
    (error: unknown) => {
      if (jobs === undefined || !(error instanceof SessionError)) throw error
      return undefined
    },
  )
  if (jobs === undefined) return { ...(await record), id }
  const [found, job] = await Promise.allSettled([record, jobs.get(id)])
  const known = found.status === 'fulfilled' ? found.value : undefined
  if (job.status === 'fulfilled') return { ...known, id, job: job.value }
  // An interactive session is not a job.
  if (known !== undefined && job.reason instanceof ProblemError && job.reason.status === 404) return { ...known, id }
  throw job.reason
}

function text({ job, ...session }: Described): string {
  const pairs = job === undefined ? sessionFields(session as SessionRecord) : jobFields(job, Date.now())
  return fields(pairs, columns())
}
