import type { Job } from '@science-platform/contract'
import { isEnded } from '@science-platform/contract/states'
import { queueName } from './qsub-options.ts'
import { pbsLabel } from './request.ts'
import { clock } from './resources.ts'

/** The fields of a job that qstat prints. */
export const statusFields = [
  'id',
  'name',
  'owner',
  'state',
  'reason',
  'labels',
  'resources',
  'timeSeconds',
  'submittedAt',
  'startedAt',
  'endedAt',
  'exitCode',
  'cause',
] as const

/** A job as qstat prints it. */
export type JobStatus = Pick<Job, (typeof statusFields)[number]>

/** The state as a letter of PBS: `Q` waits, `H` held, `R` runs or stops, `C` ended. */
export function stateLetter(state: Job['state']): 'Q' | 'H' | 'R' | 'C' {
  if (isEnded(state)) return 'C'
  if (state === 'held') return 'H'
  // A job that stops still writes files. Engines do not know the letter E of some versions of PBS.
  return state === 'running' || state === 'stopping' ? 'R' : 'Q'
}

/** Codes of Torque for endings without an exit code of the script (its documentation, Job Exit Status). */
const codesOfCauses: Partial<Record<NonNullable<Job['cause']>['code'], number>> = {
  // 256 + SIGTERM.
  cancelled: 271,
  'time-limit': -11,
  'out-of-memory': -10,
}

/** The exit status as PBS programs read it; undefined until the end. It is 0 for a job that succeeded, and never for another. */
export function exitStatus({ state, exitCode, cause }: Pick<Job, 'state' | 'exitCode' | 'cause'>): number | undefined {
  if (!isEnded(state)) return undefined
  if (state === 'succeeded') return 0
  const known = cause === undefined ? undefined : codesOfCauses[cause.code]
  return known ?? (exitCode === undefined || exitCode === 0 ? -1 : exitCode)
}

const nameOf = ({ labels, name }: JobStatus): string => labels?.[pbsLabel] ?? name

/** The lines of a job in `qstat -f`. `now` is in milliseconds since the epoch. */
export function fullStatus(job: JobStatus, now: number): string {
  const { resources, timeSeconds, submittedAt, startedAt, endedAt } = job
  const status = exitStatus(job)
  const comment = job.cause?.message ?? job.reason ?? (job.state === 'stopping' ? 'The job stops.' : undefined)
  const lines: [string, string | number | undefined][] = [
    ['Job_Name', nameOf(job)],
    ['Job_Owner', job.owner],
    ['resources_used.walltime', startedAt === undefined ? undefined : clock(secondsRun(job, now))],
    ['job_state', stateLetter(job.state)],
    ['queue', queueName],
    ['ctime', date(submittedAt)],
    ['start_time', startedAt === undefined ? undefined : date(startedAt)],
    ['comp_time', endedAt === undefined ? undefined : date(endedAt)],
    ['Resource_List.ncpus', resources.cores.limit],
    ['Resource_List.mem', `${resources.memoryGb.limit}gb`],
    ['Resource_List.ngpus', resources.gpus === 0 ? undefined : resources.gpus],
    ['Resource_List.walltime', clock(timeSeconds)],
    ['exit_status', status],
    ['comment', comment?.replace(/\s+/g, ' ')],
  ]
  const body = lines.flatMap(([key, value]) => (value === undefined ? [] : [`    ${key} = ${value}`]))
  return [`Job Id: ${job.id}`, ...body, ''].join('\n')
}

/** The table of `qstat`; empty without jobs. */
export function statusTable(jobs: readonly JobStatus[], now: number): string {
  if (jobs.length === 0) return ''
  const widths = [25, 16, 15, 8, 1, 5]
  const row = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => cell.slice(0, widths[index]).padEnd(widths[index] ?? 0))
      .join(' ')
      .trimEnd()
  return [
    row(['Job ID', 'Name', 'User', 'Time Use', 'S', 'Queue']),
    row(widths.map((width) => '-'.repeat(width))),
    ...jobs.map((job) =>
      row([
        job.id,
        // Programs split a line at blanks.
        nameOf(job).replace(/\s+/g, '_'),
        job.owner,
        job.startedAt === undefined ? '0' : clock(secondsRun(job, now)),
        stateLetter(job.state),
        queueName,
      ]),
    ),
  ].join('\n')
}

const secondsRun = ({ startedAt, endedAt }: JobStatus, now: number): number =>
  Math.max(0, ((endedAt === undefined ? now : Date.parse(endedAt)) - Date.parse(startedAt ?? '')) / 1000)

/** An instant as ctime(3) writes it, in UTC. */
const date = (iso: string): string => {
  const [weekday = '', day = '', month = '', year = '', time = ''] = new Date(iso).toUTCString().split(/,? /)
  return `${weekday} ${month} ${day} ${time} ${year}`
}
