/** The numbers in a list of processors such as `0-3,8` (cpuset(7), "List format"). Pure. */
export const parseProcessors = (list: string): number[] =>
  list
    .trim()
    .split(',')
    .filter((part) => /^\d+(-\d+)?$/.test(part))
    .flatMap((part) => {
      const [from = 0, to = from] = part.split('-').map(Number)
      return Array.from({ length: to - from + 1 }, (_, i) => from + i)
    })

/**
 * The processors for a job: those that the fewest running jobs have, the lowest numbers first. Undefined where the job may use them all. A job
 * is bound for its whole life, so that what programs count (sched_getaffinity(2), nproc, os.cpu_count) is what its quota gives. Pure.
 *
 * @param cores the job's limit of cores
 * @param all the processors of the machine
 * @param taken those of each running job that is bound
 */
export function chooseProcessors(
  cores: number,
  all: readonly number[],
  taken: readonly (readonly number[])[],
): readonly number[] | undefined {
  const count = Math.max(1, Math.ceil(cores))
  if (count >= all.length) return undefined
  const jobs = new Map<number, number>()
  for (const processor of taken.flat()) jobs.set(processor, (jobs.get(processor) ?? 0) + 1)
  return all
    .toSorted((a, b) => (jobs.get(a) ?? 0) - (jobs.get(b) ?? 0) || a - b)
    .slice(0, count)
    .toSorted((a, b) => a - b)
}
