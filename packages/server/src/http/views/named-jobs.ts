import type { Caller } from '../../access/authenticate.ts'
import type { StoredJob } from '../../job/job.ts'
import type { Store } from '../../store/store.ts'

/** Ids that a text names at most; a name may have thousands of jobs. */
const mostIds = 5

/** What names look like (wire contract 3.1). */
const pattern = /^[a-z0-9][a-z0-9-]{0,99}$/

/**
 * A sentence for a caller who has put the name of a job in the place of its id: the ids of their jobs of that name, and of the
 * replicas of an array of that name, the newest first. Undefined where they have none.
 */
export async function namedJobs(store: Pick<Store, 'jobs'>, caller: Caller, word: string): Promise<string | undefined> {
  const name = word.toLowerCase()
  if (!pattern.test(name)) return undefined
  const base = { owner: caller.account.name, sort: '-submitted' } as const
  const found = await store.jobs({ ...base, namePrefix: name, limit: 200 })
  return namedText(
    word,
    found.filter((job) => isNamed(job, name)).map(({ id }) => id),
  )
}

const isNamed = (job: StoredJob, name: string): boolean =>
  job.name === name || (job.name.startsWith(`${name}-`) && /^\d+$/.test(job.name.slice(name.length + 1)))

/** The sentence of {@link namedJobs}. Pure. */
function namedText(word: string, ids: readonly string[]): string | undefined {
  const shown = ids.slice(0, mostIds)
  const last = shown.at(-1)
  if (last === undefined) return undefined
  if (shown.length === 1) return `${word} is a name; its id is ${last}.`
  const more = ids.length - shown.length
  const list = more > 0 ? `${shown.join(', ')}, and there are more` : `${shown.slice(0, -1).join(', ')} and ${last}`
  return `${word} is a name; its ids are ${list}.`
}
