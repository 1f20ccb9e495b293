import type { Cause } from '@science-platform/contract'
import {
  cannotEnter,
  causeOfExit,
  execFailure,
  isEndedForMemory,
  notRunnable,
  outOfMemory,
  runtimeFailure,
  stoppedBeforeStart,
  stoppedBySignal,
  type Runner,
} from '../../causes.ts'
import { entryFailure } from '../../entry/entry.ts'
import type { Ending, Observed, Retry } from '../../executor.ts'
import type { JobRecord, NodeRecord, PodRecord } from '../cache/records.ts'
import { waitingFor, type WaitingContext } from './waiting.ts'
import { unknownImage } from '../../../job/image-reference.ts'

/** What the cluster shows of an attempt. */
export interface Evidence extends WaitingContext {
  /** Undefined when the cluster has none. */
  readonly job: JobRecord | undefined
  readonly pod: PodRecord | undefined
  /** The node of the pod; undefined when the cluster has no such node. */
  readonly node: NodeRecord | undefined
  /** Whether the cluster has created another pod after the one that ran. */
  readonly requeued: boolean
  /** Whether {@link Executor.stop} was called in this process. */
  readonly stopRequested: boolean
  /** Milliseconds since this process first observed the deletion of its Job. */
  readonly deletingForMs: number
}

/**
 * What becomes of an attempt. `failure`: the attempt will not run, and is to be ended for this cause; `passes`: a later one may run. `silence`: its node does not
 * answer, and it may still run.
 */
export type Observation = Omit<Observed, 'attemptId'> & {
  readonly failure?: Cause
  readonly passes?: true
  readonly silence?: string
}

/** Milliseconds after the deletion of a Job in which its pod may still appear. */
const lateMs = 3_000
/** Milliseconds after its grace period until a pod on a node that does not answer counts as lost. */
const silentMs = 10_000

/** Decides from the evidence what becomes of an attempt. Pure. */
export function observe(evidence: Evidence): Observation {
  const { job, pod } = evidence
  const stopped = evidence.stopRequested || job?.stopSeconds !== undefined
  const given = givenUp(job)
  const facts = pod === undefined ? {} : factsOf(pod)
  const ended = (
    cause: Cause,
    at: number,
    more: Pick<Ending, 'exitCode' | 'memoryKills' | 'retry'> = {},
  ): Observation => ({
    ...facts,
    phase: 'ended',
    ending: { at, cause, stopped, ...more } satisfies Ending,
  })
  if (given !== undefined && pod?.container.terminated?.exitCode === undefined)
    return ended(given.cause, given.at, given.retry === undefined ? {} : { retry: given.retry })
  if (pod === undefined) {
    if (job === undefined || (job.failed && !job.suspended))
      return ended(stopped ? stoppedBeforeStart : removed('The objects of the job were'), evidence.now)
    if (!job.deleting) return { phase: 'preparing', ...waitingFact(evidence, job) }
    if (evidence.deletingForMs < lateMs) return { phase: 'preparing' }
    return ended(stopped ? stoppedBeforeStart : removed('The Job was'), evidence.now)
  }
  const { terminated, startedAt } = pod.container
  if (terminated !== undefined) {
    const { cause, ...command } = endOf(evidence, pod, stopped)
    return ended(cause, terminated.at, command)
  }
  if (pod.phase === 'Failed' || pod.phase === 'Succeeded')
    return ended(stopped ? stoppedBeforeStart : takenOff(pod, evidence), evidence.now)
  if (pod.deletingUntil !== undefined) {
    const silent = evidence.node === undefined || (!evidence.node.ready && evidence.now > pod.deletingUntil + silentMs)
    // A pod without a node ends as soon as it is deleted.
    if (pod.node === undefined) return ended(stopped ? stoppedBeforeStart : takenOff(pod, evidence), evidence.now)
    if (silent) return ended(nodeLost(pod.node, startedAt !== undefined), evidence.now)
  }
  if (startedAt !== undefined)
    return {
      ...facts,
      phase: 'running',
      ...(evidence.node?.ready === false ? { silence: silenceOf(evidence.node) } : {}),
    }
  return { ...facts, phase: 'preparing', ...(job === undefined ? {} : waitingFact(evidence, job)) }
}

const factsOf = ({ node, container: { imageDigest, startedAt } }: PodRecord) => ({
  ...(node === undefined ? {} : { node }),
  ...(imageDigest === undefined ? {} : { imageDigest }),
  ...(startedAt === undefined ? {} : { startedAt }),
})

function waitingFact(evidence: Evidence, job: JobRecord): Pick<Observation, 'waiting' | 'failure' | 'passes'> {
  const { text, ...failed } = waitingFor(job, evidence.pod, evidence)
  return { ...(text === undefined ? {} : { waiting: text }), ...failed }
}

/** The cause that the platform wrote on the Job when it ended an attempt that could not run. */
function givenUp(job: JobRecord | undefined): GivenUp | undefined {
  return job?.cause === undefined ? undefined : (JSON.parse(job.cause) as GivenUp)
}

/** The annotation of a Job whose attempt the platform ended. Earlier releases wrote no `retry`. */
export interface GivenUp {
  readonly cause: Cause
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly retry?: Retry
}

/** How the command ended, or why it did not start although its container was created. */
function endOf(
  evidence: Evidence,
  pod: PodRecord,
  stopped: boolean,
): Pick<Ending, 'cause' | 'exitCode' | 'memoryKills'> {
  const { job } = evidence
  const { terminated, startedAt } = pod.container
  if (terminated === undefined) throw new Error('The container has not ended.')
  const { exitCode, reason, message } = terminated
  const { workingDirectory } = job ?? {}
  const runner: Runner = {
    image: job?.image ?? unknownImage,
    account: { name: job?.account ?? '' },
    ...(workingDirectory === undefined ? {} : { workingDirectory }),
  }
  if (reason === 'StartError' || reason === 'ContainerCannotRun' || startedAt === undefined)
    return { cause: stopped ? stoppedBeforeStart : runtimeFailure(message, runner) }
  // The termination message is that of `enter`.
  const notEntered = workingDirectory === undefined ? undefined : entryFailure(exitCode, message)
  if (notEntered !== undefined) return { cause: cannotEnter(notEntered, runner) }
  if (reason === 'ContainerStatusUnknown') return { cause: nodeLost(pod.node ?? '', true) }
  const limitGb = job?.memoryLimitGb ?? 0
  // Of the kills for memory a node reports that there was one, also where it was not the command itself. It does not report when.
  const kills = reason === 'OOMKilled' ? 1 : 0
  const atEnd = isEndedForMemory(exitCode, kills)
  const command = {
    exitCode,
    ...(kills === 0
      ? {}
      : {
          memoryKills: { count: kills, limitGb, ...(atEnd ? { firstAt: terminated.at, lastAt: terminated.at } : {}) },
        }),
  }
  if (atEnd && !stopped) return { cause: outOfMemory(limitGb, undefined), ...command }
  if (pod.reason === 'DeadlineExceeded')
    return { cause: { code: 'time-limit', message: 'The job ran longer than this cluster allows.' }, ...command }
  const notRun = workingDirectory === undefined ? undefined : execFailure(exitCode, message)
  if (notRun !== undefined)
    return { cause: notRunnable(notRun.program, notRun.reason, runner, { isThere: notRun.isThere }), ...command }
  // A node reports a signal as an exit code.
  const exit = causeOfExit({ exitCode, isSignal: false })
  if (stopped) return { cause: stoppedBySignal(exitCode, exitCode === 137) ?? exit, ...command }
  // A program may have a handler for SIGTERM and exit with any code. Instants have a resolution of one second.
  const bySignal = exitCode === 143 || exitCode === 137
  const isDeleted = pod.deletedAt !== undefined && (bySignal || terminated.at >= pod.deletedAt)
  if (pod.reason === 'Evicted' || pod.disruption !== undefined || isDeleted)
    return { cause: takenOff(pod, evidence), ...command }
  return { cause: exit, ...command }
}

/** Why the cluster, or an operator, ended a pod. */
function takenOff(pod: PodRecord, { job, requeued }: Evidence): Cause {
  const node = pod.node ?? 'its node'
  const again = 'Submit the job again; save the state of long work regularly.'
  const said = (pod.disruption?.message ?? pod.message).replace(/\.? *$/, '')
  if (/ephemeral.*storage|emptyDir.*exceeds|DiskPressure|low on resource: (?:ephemeral|inodes)/i.test(pod.message))
    return {
      code: 'evicted',
      message: `The job was ended because it, or its node ${node}, had no disk space left: ${said}.`,
      hint: 'Write large files under /arc instead of /scratch and /tmp, and remove files that are no longer needed.',
    }
  if (pod.reason === 'Evicted')
    return {
      code: 'evicted',
      message: `The node ${node} ran short of a resource and ended the job: ${said}.`,
      hint: again,
    }
  const why: Readonly<Record<string, string>> = {
    PreemptionByScheduler: `a job of higher priority needed the place on ${node}`,
    DeletionByTaintManager: `the node ${node} was closed or does not answer`,
    EvictionByEvictionAPI: `the node ${node} is being drained`,
    DeletionByPodGC: `the node ${node} is gone from the cluster`,
    TerminationByKubelet: `the node ${node} is shutting down or short of resources`,
  }
  const reason = why[pod.disruption?.reason ?? '']
  if (reason !== undefined) return { code: 'evicted', message: `The cluster ended the job: ${reason}.`, hint: again }
  if (job?.queued === true && (job.suspended || requeued))
    return {
      code: 'evicted',
      message: `The queue of the cluster (Kueue) evicted the job from ${node} for other work.`,
      hint: again,
    }
  if (pod.deletingUntil !== undefined) return removed(job?.deleting === true ? 'The Job was' : 'The pod was')
  return {
    code: 'start-failed',
    message: `The node ${node} refused the job: ${said === '' ? pod.reason : said}.`,
    hint: 'Submit the job again. If it fails again, ask the operators of the platform.',
  }
}

const removed = (what: string): Cause => ({
  code: 'evicted',
  message: `${what} deleted in the cluster, but not by the platform.`,
  hint: 'Ask the operators for the reason, and submit the job again.',
})

const silenceOf = ({ name }: NodeRecord): string =>
  `The node ${name} does not answer. The job may still run there; it counts as lost when the cluster gives the node up.`

const nodeLost = (node: string, ran: boolean): Cause => ({
  code: 'lost',
  message: `The node ${node} is gone, so ${ran ? 'how the command ended' : 'whether the command ran'} is not known.`,
  hint: 'See the log for how far the job came, and submit it again.',
})
