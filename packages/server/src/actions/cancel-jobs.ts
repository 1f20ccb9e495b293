import { isEnded } from '@science-platform/contract'
import type { Caller } from '../access/authenticate.ts'
import { mayTouchJobsOf } from '../access/may-touch.ts'
import type { AuditEntry } from '../audit/entry.ts'
import type { StoredJob } from '../job/job.ts'
import { mayHappen } from '../job/lifecycle.ts'
import type { JobFilter, Store } from '../store/store.ts'
import { actorText, cancelJob, cancelStep, type CancelDependencies } from './cancel.ts'
import { parts } from '../lib/parts.ts'

/** Jobs cancelled per transaction: it takes the writer, and the event loop, for few milliseconds. */
const stepsAtOnce = 25

/** Jobs read at once. */
const readAtOnce = 250

/** The jobs of an owner that have not ended and match. */
export type MatchingJobs = { readonly owner: string } & Pick<JobFilter, 'label' | 'namePrefix'>

/** What became of the jobs of a request. */
export interface CancelJobsOutcome {
  /** Jobs that are cancelled, or stop now. */
  readonly cancelled: readonly string[]
  /** Jobs that had already ended. */
  readonly ended: readonly string[]
  /** Ids of no job that the caller may access. */
  readonly unknown: readonly string[]
  /** Whether the audit entry was stored. */
  readonly isAudited: boolean
}

/**
 * Cancels many jobs, in transactions of a few. The first that changes something stores the audit entry too. Where the process dies in
 * between, a repetition cancels the rest.
 */
export type CancelJobs = (request: {
  readonly caller: Caller
  readonly jobs: { readonly ids: readonly string[] } | MatchingJobs
  readonly audit: AuditEntry
  /** Says what would be cancelled, and changes nothing. */
  readonly isDryRun: boolean
}) => Promise<CancelJobsOutcome>

/** Dependencies of {@link jobsCanceller}. */
export interface CancelJobsDependencies extends CancelDependencies {
  readonly store: Pick<Store, 'step' | 'job' | 'jobsById' | 'notEndedOf'>
}

type Found = Pick<StoredJob, 'id' | 'owner' | 'state'>

/** The single implementation of cancelling many jobs, for every API. */
export function jobsCanceller({ store, now }: CancelJobsDependencies): CancelJobs {
  return async ({ caller, jobs, audit, isDryRun }) => {
    const outcome = { cancelled: [] as string[], ended: [] as string[], unknown: [] as string[] }
    let isAudited = false
    for await (const page of pagesOf(store, jobs, caller)) {
      outcome.unknown.push(...page.unknown)
      for (const some of parts(page.jobs, stepsAtOnce)) {
        const who = (job: Found): string => actorText(job, caller)
        const ends = isDryRun
          ? some.map(({ state }) => endOf(state))
          : await cancelTogether({ store, now }, some, who, isAudited ? undefined : audit)
        isAudited ||= !isDryRun && some.some(isCancellable)
        for (const [i, end] of ends.entries()) outcome[end].push(some[i]?.id ?? '')
      }
    }
    return { ...outcome, isAudited }
  }
}

/** Cancels all matching jobs, those included that are submitted meanwhile. `who` names the actor for their owner. */
export async function cancelMatching(
  { store, now }: { readonly store: Pick<Store, 'step' | 'job' | 'notEndedOf'>; readonly now: () => number },
  jobs: MatchingJobs,
  who: string,
): Promise<void> {
  for await (const page of matchingJobs(store, jobs))
    for (const some of parts(page, stepsAtOnce)) await cancelTogether({ store, now }, some, () => who)
}

type End = 'cancelled' | 'ended' | 'unknown'
const endOf = (state: StoredJob['state']): End => (isEnded(state) ? 'ended' : 'cancelled')
const isCancellable = ({ state }: Found): boolean => mayHappen(state, 'cancelRequested')

/** Cancels jobs in one transaction, and those that changed state after the read one by one. Stores `audit` where it changes something. */
async function cancelTogether(
  { store, now }: CancelDependencies,
  jobs: readonly Found[],
  who: (job: Found) => string,
  audit?: AuditEntry,
): Promise<End[]> {
  const steps = jobs.flatMap((job) => cancelStep(job, who(job), now()) ?? [])
  const taken = steps.length === 0 ? [] : await store.step(steps, audit)
  const stopped = new Set(taken.map(({ job }) => job.id))
  const ends: End[] = []
  for (const job of jobs) {
    const isDone = stopped.has(job.id) || !isCancellable(job)
    const current = isDone ? undefined : await store.job(job.id)
    if (isDone) ends.push(endOf(job.state))
    else if (current === undefined) ends.push('unknown')
    else ends.push(endOf((await cancelJob({ store, now }, current, who(job))).before.state))
  }
  return ends
}

/** The jobs of a request, in pieces. */
async function* pagesOf(
  store: CancelJobsDependencies['store'],
  wanted: Parameters<CancelJobs>[0]['jobs'],
  caller: Caller,
): AsyncGenerator<{ readonly jobs: readonly Found[]; readonly unknown: readonly string[] }> {
  if (!('ids' in wanted)) {
    for await (const jobs of matchingJobs(store, wanted)) yield { jobs, unknown: [] }
    return
  }
  const owner = mayTouchJobsOf(caller)
  for (const ids of parts([...new Set(wanted.ids)], readAtOnce)) {
    const found = (await store.jobsById(ids)).filter((job) => owner === undefined || job.owner === owner)
    const byId = new Map(found.map((job) => [job.id, job]))
    yield { jobs: ids.flatMap((id) => byId.get(id) ?? []), unknown: ids.filter((id) => !byId.has(id)) }
  }
}

/** Matching jobs in pieces, those included that are submitted meanwhile. */
async function* matchingJobs(
  store: Pick<Store, 'notEndedOf'>,
  { owner, ...filter }: MatchingJobs,
): AsyncGenerator<readonly Found[]> {
  for (let after: number | undefined = 0; after !== undefined;) {
    const page = await store.notEndedOf(owner, filter, after, readAtOnce)
    yield page.filter(({ isMatch }) => isMatch)
    after = page.length < readAtOnce ? undefined : page.at(-1)?.seq
  }
}
