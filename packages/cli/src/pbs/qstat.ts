import { ProblemError, type Jobs } from '@science-platform/client'
import { endedStates, jobStates } from '@science-platform/contract/states'
import { note, print } from '../output/terminal.ts'
import { fullStatus, statusFields, statusTable, type JobStatus } from './job-status.ts'
import { readOptionWords } from './option-words.ts'
import { idIn, isId, pbsJobs, unknownJobCode } from './pbs-jobs.ts'
import { queueName } from './qsub-options.ts'
import { pbsLabel } from './request.ts'

/** Minutes that a job is listed after its end. Engines must see an end that came while they did not look. */
const listedMinutes = 60

/** Jobs that are asked for at the same time. */
const atOnce = 20

/** Lists the jobs of qsub, or the jobs named. */
export async function qstat(words: readonly string[]): Promise<void> {
  const { options, operands } = readOptionWords(words, { f: 'flag', '1': 'flag', x: 'flag' }, 'see qstat --help')
  const has = (letter: string): boolean => options.some(([each]) => each === letter)
  const ids = operands.map(idIn).filter((word) => word !== queueName)
  const listsAll = ids.length === 0
  const { jobs } = await pbsJobs('qstat')
  const now = Date.now()
  const { found, unknown } = listsAll
    ? { found: await listed(jobs, has('x') ? 0 : now - listedMinutes * 60_000), unknown: [] }
    : await named(jobs, ids)
  const text = has('f') ? found.map((job) => fullStatus(job, now)).join('\n') : statusTable(found, now)
  if (text !== '') print(text)
  for (const id of unknown) note(`qstat: Unknown Job Id ${id}\nfix: list your jobs with qstat -x, or canfar ps --all`)
  if (unknown.length > 0) process.exitCode = unknownJobCode
}

/** The jobs of qsub, oldest first, without those that ended before `since`, in milliseconds since the epoch. */
async function listed(jobs: Jobs, since: number): Promise<JobStatus[]> {
  const found: JobStatus[] = []
  const active = jobStates.filter((state) => !(endedStates as readonly string[]).includes(state)).join(',')
  // Ended jobs last, so that a job that ends meanwhile is in one of the lists.
  for (const state of [active, endedStates.join(',')])
    for await (const job of jobs.listAll({ label: pbsLabel, state, fields: statusFields, limit: 1_000 }))
      if (job.endedAt === undefined || Date.parse(job.endedAt) >= since) found.push(job)
  const latest = new Map(found.map((job) => [job.id, job]))
  return [...latest.values()].sort((a, b) => Date.parse(a.submittedAt) - Date.parse(b.submittedAt))
}

async function named(jobs: Jobs, ids: readonly string[]): Promise<{ found: JobStatus[]; unknown: string[] }> {
  const get = async (id: string): Promise<JobStatus | string> => (isId(id) ? jobs.get(id).catch(unknownAs(id)) : id)
  const outcomes: (JobStatus | string)[] = []
  for (let at = 0; at < ids.length; at += atOnce)
    outcomes.push(...(await Promise.all(ids.slice(at, at + atOnce).map(get))))
  return {
    found: outcomes.filter((each) => typeof each !== 'string'),
    unknown: outcomes.filter((each) => typeof each === 'string'),
  }
}

const unknownAs =
  (id: string) =>
  (error: unknown): string => {
    if (error instanceof ProblemError && error.status === 404) return id
    throw error
  }
