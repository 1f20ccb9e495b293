import { limits, type JobRequest, type Network, type PlatformContext } from '@science-platform/contract'
import type { Caller } from '../access/authenticate.ts'
import type { RegistryLogins } from '../access/registry-logins.ts'
import { jobTokenScopes, tokensOfJobs } from '../access/token-rules.ts'
import type { AuditEntry } from '../audit/entry.ts'
import type { Executor } from '../executor/executor.ts'
import { checkReserved, reservedIn } from '../job/environment.ts'
import { newJobId } from '../job/ids.ts'
import { printReference, type ImageReference } from '../job/image-reference.ts'
import { checkedAt, InvalidRequest, shown } from '../job/invalid.ts'
import { checkNetwork } from '../job/offered-networks.ts'
import type { NewJob, RequestedJobs } from '../job/job.ts'
import { jobsOf } from '../job/submission.ts'
import { workTurns } from '../lib/work-turns.ts'
import {
  JobIdTaken,
  type IdempotencyKey,
  type Store,
  type StoredEvent,
  type StoredToken,
  type SubmitOutcome,
} from '../store/store.ts'

/** Dependencies of {@link submitter}. */
export interface SubmitDependencies {
  readonly store: Pick<Store, 'submit' | 'answeredBefore'>
  readonly executor: Pick<Executor, 'signal' | 'workingDirectoryNeedsCommand'>
  /** The limits against which requests are validated. */
  readonly context: () => PlatformContext
  /** The networks that a job may request. */
  readonly networks: readonly Network[]
  /** Parses an image reference. @throws {InvalidRequest} where the text is no reference, or the image is not allowed. */
  readonly checkImage: (reference: string) => ImageReference
  readonly logins: Pick<RegistryLogins, 'sealFor'>
  /** The token that a job carries. */
  readonly jobToken: (jobId: string) => string
  readonly queue: {
    /**
     * Checks that the jobs are feasible and that the queue has room for all of them. Call `confirm` in the transaction that
     * stores them, and `settle` with the number of their change, or without a number where storing failed. @throws {InvalidRequest}
     */
    readonly admit: (requests: readonly RequestedJobs[]) => {
      readonly confirm: () => void
      readonly settle: (change?: number) => void
    }
  }
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** A request. `image` is text where it was not parsed and checked yet. */
type UncheckedRequest = Omit<JobRequest, 'image'> & { readonly image: string | ImageReference }

/** Requests with their owner: one, or a batch. */
export interface Submission {
  readonly caller: Caller
  /** A batch: errors name the place of a request. */
  readonly requests: UncheckedRequest | readonly UncheckedRequest[]
  /** `user:password` for the registry of the images, which is one. */
  readonly registryAuth?: string | undefined
  readonly idempotency?: IdempotencyKey | undefined
  /**
   * Accepts variables that the platform sets itself, and says in an event that they are not used: the reference server accepts them.
   * @defaultValue false: they are refused
   */
  readonly ignoresReserved?: boolean
  /** Makes the audit entry of stored jobs from the id of the first. */
  readonly audit: (subject: string) => AuditEntry
}

/** Maximum bytes of cmd, args and env, over all jobs of a submission: each replica stores its own copy. */
const mostBytes = 64 * 2 ** 20

/** Stores all jobs of a submission or none. They are durable when the promise is fulfilled. */
export type Submit = (submission: Submission) => Promise<SubmitOutcome>

/**
 * The single implementation of submit, for every API.
 * @throws {InvalidRequest} naming the field; then nothing was stored.
 */
export function submitter(dependencies: SubmitDependencies): Submit {
  const submit: Submit = async (submission) => {
    try {
      return await submitNew(submission)
    } catch (error) {
      // Ids are random; a collision happens about once in 10^12 ids.
      if (error instanceof JobIdTaken) return submit(submission)
      // A retried request gets its earlier answer, even if the queue is full now or its deadline has passed.
      const { idempotency } = submission
      const known =
        idempotency === undefined || !(error instanceof InvalidRequest)
          ? undefined
          : await dependencies.store.answeredBefore(idempotency)
      if (known === undefined) throw error
      return known
    }
  }
  return submit

  async function submitNew(submission: Submission): Promise<SubmitOutcome> {
    const { caller, registryAuth, idempotency, audit } = submission
    const isBatch = Array.isArray(submission.requests)
    const requests = [submission.requests].flat() as readonly UncheckedRequest[]
    const now = dependencies.now()
    checkSize(requests, isBatch)
    const checked: Checked[] = []
    const tokens: StoredToken[] = []
    const making = makeJobs(requests)
    const makeSome = (): boolean => {
      for (let i = 0; i < jobsAtOnce; i++) if (making.next().done === true) return false
      return true
    }
    // The first piece at once: most requests have one job. The others in turns with others' work.
    for (let more = makeSome(); more; more = await workTurns.run('large', makeSome));
    const secrets = registryAuth === undefined ? undefined : secretsOf(checked, registryAuth)
    const jobs = checked.flatMap((one) => one.jobs)
    const { confirm, settle } = dependencies.queue.admit(checked)
    let change: number | undefined
    try {
      const outcome = await dependencies.store.submit({
        jobs,
        events: checked.flatMap(({ events }) => events),
        ...(tokens.length === 0 ? {} : { tokens }),
        ...(secrets === undefined ? {} : { secrets }),
        ...(idempotency === undefined ? {} : { idempotency }),
        audit: audit(jobs[0]?.id ?? ''),
        confirm,
      })
      if (outcome.outcome === 'stored') change = outcome.change
      return outcome
    } finally {
      settle(change)
    }

    /** Makes the jobs one by one, each with its first events and its token. @throws {InvalidRequest} naming the field. */
    function* makeJobs(all: typeof requests): Generator<void, void> {
      for (const [i, request] of all.entries()) {
        const place = isBatch ? `jobs[${i}]` : undefined
        const { image, made, unused } = checkedAt(place, () => requestedJobs(request, submission, now))
        const own = { image, jobs: [] as NewJob[], events: [] as StoredEvent[] }
        checked.push({ ...(place === undefined ? {} : { place }), ...own })
        for (;;) {
          const { value: job } = checkedAt(place, () => made.next())
          if (job === undefined) break
          own.jobs.push(job)
          own.events.push(...eventsOf(job, unused))
          tokens.push(...tokensOfJobs([job], caller, dependencies.jobToken))
          yield
        }
      }
    }
  }

  /** The jobs of one request, made one by one. `unused` are its variables that the platform sets. @throws {InvalidRequest} */
  function requestedJobs(
    request: UncheckedRequest,
    { caller, ignoresReserved = false }: Submission,
    now: number,
  ): { readonly image: ImageReference; readonly made: Generator<NewJob, void>; readonly unused: readonly string[] } {
    const image = typeof request.image === 'string' ? dependencies.checkImage(request.image) : request.image
    checkNetwork(request.network, dependencies.networks)
    if (request.signal !== undefined && dependencies.executor.signal === undefined) {
      throw new InvalidRequest(
        'signal',
        `signal is ${request.signal}, but jobs here run where no signal can be sent to them`,
        'Leave signal out: SIGTERM comes when the time is over, graceSeconds before SIGKILL.',
      )
    }
    if (request.workingDirectory !== undefined && dependencies.executor.workingDirectoryNeedsCommand === true) {
      if (request.cmd === undefined)
        throw new InvalidRequest(
          'workingDirectory',
          `workingDirectory is ${shown(request.workingDirectory)} without cmd: jobs here run on a cluster, where the platform does not know the entry point of an image`,
          'Give cmd too, or leave workingDirectory out.',
        )
    }
    const jobToken = jobTokenScopes(request, caller)
    const { env = {} } = request
    if (!ignoresReserved) checkReserved(env, jobToken !== undefined)
    const unused = reservedIn(env, jobToken !== undefined)
    const made = jobsOf(
      { ...request, image: printReference(image) },
      {
        owner: caller.account,
        context: dependencies.context(),
        now,
        jobToken,
        newId: newJobId,
      },
    )
    return { image, made, unused }
  }

  /** The sealed credentials of the jobs, by id. @throws {InvalidRequest} where their images come from several registries. */
  function secretsOf(checked: readonly Checked[], registryAuth: string): ReadonlyMap<string, string> {
    const registries = new Set(checked.map(({ image }) => image.registry))
    if (registries.size > 1)
      throw new InvalidRequest(
        'X-Skaha-Registry-Auth',
        `X-Skaha-Registry-Auth is for one registry, but the images come from ${[...registries].join(', ')}`,
        'Send one batch for each registry, or store your credentials: PUT /api/v1/registries/HOST/login.',
      )
    return new Map(
      checked.flatMap(({ image, jobs }) => {
        const sealed = dependencies.logins.sealFor(image, registryAuth)
        return sealed === undefined ? [] : jobs.map(({ id }): [string, string] => [id, sealed])
      }),
    )
  }
}

/** A request that was checked, and its jobs. */
type Checked = RequestedJobs & { readonly image: ImageReference; readonly events: readonly StoredEvent[] }

/** Jobs made at once: half a millisecond. */
const jobsAtOnce = 100

/** The events of an accepted job. Pure. `unused` are the variables that its request gave in vain. */
const eventsOf = ({ id: jobId, submittedAt: at }: NewJob, unused: readonly string[]): StoredEvent[] => [
  { jobId, at, type: 'Normal', reason: 'Queued', message: 'Accepted; waiting for its turn.' },
  ...(unused.length === 0
    ? []
    : [
        {
          jobId,
          at,
          type: 'Warning' as const,
          reason: 'EnvironmentIgnored',
          message: `The given values of ${unused.join(', ')} are not used: the platform sets these variables.`,
        },
      ]),
]

/** @throws {InvalidRequest} where the jobs are too many, or together exceed {@link mostBytes}. */
function checkSize(requests: readonly UncheckedRequest[], isBatch: boolean): void {
  const field = isBatch ? 'jobs' : 'replicas'
  const count = requests.reduce((sum, { replicas = 1 }) => sum + replicas, 0)
  if (count > limits.replicas)
    throw new InvalidRequest(
      field,
      `the requests ask for ${count} jobs together, at most ${limits.replicas} are allowed`,
      'Submit several batches.',
    )
  if (count === 1) return
  const bytes = requests.reduce(
    (sum, { cmd, args, env, replicas = 1 }) => sum + Buffer.byteLength(JSON.stringify([cmd, args, env])) * replicas,
    0,
  )
  if (bytes <= mostBytes) return
  throw new InvalidRequest(
    field,
    `the ${count} jobs have ${bytes} bytes of cmd, args and env; together they may have ${mostBytes}`,
    'Put the data into a file under /arc and pass its path.',
  )
}
