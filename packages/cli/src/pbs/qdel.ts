import { usageFailure } from '../failure.ts'
import { note } from '../output/terminal.ts'
import { readOptionWords } from './option-words.ts'
import { idIn, isId, pbsJobs, unknownJobCode } from './pbs-jobs.ts'

/** Ids of one request. */
const idsAtOnce = 1_000

/** Cancels jobs. An ended job is no error: an engine cancels what may have ended meanwhile. */
export async function qdel(words: readonly string[]): Promise<void> {
  const { operands } = readOptionWords(words, {}, 'see qdel --help')
  const ids = operands.map(idIn)
  if (ids.length === 0) throw usageFailure('qdel has no id', 'list your jobs with qstat, and write: qdel ID')
  if (ids.includes('all'))
    throw usageFailure("qdel has the id 'all'", 'name the jobs, or use canfar cancel --label pbs')
  const unknown = ids.filter((id) => !isId(id))
  const possible = ids.filter(isId)
  const { jobs } = await pbsJobs('qdel')
  for (let at = 0; at < possible.length; at += idsAtOnce)
    unknown.push(...(await jobs.cancelMany({ ids: possible.slice(at, at + idsAtOnce) })).unknown)
  for (const id of unknown) note(`qdel: Unknown Job Id ${id}\nfix: list your jobs with qstat`)
  if (unknown.length > 0) process.exitCode = unknownJobCode
}
