import type { JobRequest, Network, PlatformContext } from '@science-platform/contract'
import type { Caller } from '../access/authenticate.ts'
import type { RegistryLogins } from '../access/registry-logins.ts'
import { jobTokenScopes, tokensOfJobs } from '../access/token-rules.ts'
import type { AuditEntry } from '../audit/entry.ts'
import type { Executor } from '../executor/executor.ts'
import { checkReserved, reservedIn } from '../job/environment.ts'
import { newJobId } from '../job/ids.ts'
import { printReference, type ImageReference } from '../job/image-reference.ts'
import { InvalidRequest, shown } from '../job/invalid.ts'
import { checkNetwork } from '../job/offered-networks.ts'
import type { NewJob } from '../job/job.ts'
import { jobsOf } from '../job/submission.ts'
import { JobIdTaken, type IdempotencyKey, type Store, type StoredEvent, type SubmitOutcome } from '../store/store.ts'

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
     * Checks that the jobs of one request are feasible and that the queue has room for them. Call `confirm` in the transaction that
     * stores them, and `settle` with the number of their change, or without a number where storing failed. @throws {InvalidRequest}
     */
    readonly admit: (jobs: readonly NewJob[]) => {
      readonly confirm: () => void
      readonly settle: (change?: number) => void
    }
  }
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** A request with its owner. */
export interface Submission {
  readonly caller: Caller
  /** `image` is text where the caller has not parsed and checked it yet. */
  readonly request: Omit<JobRequest, 'image'> & { readonly image: string | ImageReference }
  /** `user:password` for the image's registry. */
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

/** Maximum bytes of cmd, args and env per request, over all replicas: each replica stores its own copy. */
const mostBytes = 64 * 2 ** 20

/** Stores all jobs of a request or none. They are durable when the promise is fulfilled. */
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
    const { caller, request, registryAuth, idempotency, audit, ignoresReserved = false } = submission
    const now = dependencies.now()
    const image = typeof request.image === 'string' ? dependencies.checkImage(request.image) : request.image
    checkNetwork(request.network, dependencies.networks)
    checkSize(request)
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
    const jobs = jobsOf(
      { ...request, image: printReference(image) },
      {
        owner: caller.account,
        context: dependencies.context(),
        now,
        jobToken,
        newId: newJobId,
      },
    )
    const events = jobs.flatMap(({ id: jobId }): StoredEvent[] => [
      { jobId, at: now, type: 'Normal', reason: 'Queued', message: 'Accepted; waiting for its turn.' },
      ...(unused.length === 0
        ? []
        : [
            {
              jobId,
              at: now,
              type: 'Warning' as const,
              reason: 'EnvironmentIgnored',
              message: `The given values of ${unused.join(', ')} are not used: the platform sets these variables.`,
            },
          ]),
    ])
    const sealed = registryAuth === undefined ? undefined : dependencies.logins.sealFor(image, registryAuth)
    const tokens = tokensOfJobs(jobs, caller, dependencies.jobToken)
    const { confirm, settle } = dependencies.queue.admit(jobs)
    let change: number | undefined
    try {
      const outcome = await dependencies.store.submit({
        jobs,
        events,
        ...(tokens.length === 0 ? {} : { tokens }),
        ...(sealed === undefined ? {} : { secrets: new Map(jobs.map((job) => [job.id, sealed])) }),
        ...(idempotency === undefined ? {} : { idempotency }),
        audit: audit(jobs[0]?.id ?? ''),
        confirm,
      })
      if (outcome.outcome === 'stored') change = outcome.change
      return outcome
    } finally {
      settle(change)
    }
  }
}

/** @throws {InvalidRequest} where the replicas together exceed {@link mostBytes}. */
function checkSize({ cmd, args, env, replicas = 1 }: Submission['request']): void {
  if (replicas === 1) return
  const each = Buffer.byteLength(JSON.stringify([cmd, args, env]))
  if (each * replicas <= mostBytes) return
  throw new InvalidRequest(
    'replicas',
    `replicas is ${replicas}, each with ${each} bytes of cmd, args and env; together they may have ${mostBytes}`,
    'Put the data into a file under /arc and pass its path.',
  )
}
