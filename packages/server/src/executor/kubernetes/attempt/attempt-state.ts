import type { Cause } from '@science-platform/contract'
import { causeOfExit, outOfMemory, runtimeFailure, stoppedBeforeStart, stoppedBySignal } from '../../causes.ts'
import type { Ending, Observed } from '../../executor.ts'
import type { JobRecord, NodeRecord, PodRecord } from '../cache/records.ts'
import { waitingFor, type WaitingContext } from './waiting.ts'
import { unknownImage } from '../../../job/image-reference.ts'

/** All that is known of an attempt in the cluster. */
export interface Evidence extends WaitingContext {
  /** Undefined when it is not there (any more). */
  readonly job: JobRecord | undefined
  readonly pod: PodRecord | undefined
  /** Where the pod is; undefined when the cluster has no such node. */
  readonly node: NodeRecord | undefined
  /** Whether the cluster has made another pod after the one that ran. */
  readonly requeued: boolean
  /** Whether this process was told to stop it. */
  readonly stopAsked: boolean
  /** Milliseconds since its Job began to go, as far as this process has seen. */
  readonly deletingForMs: number
}

/**
 * What the evidence shows. `failure`: it will not run; it is to be given up for this cause. `silence`: it runs, as far as
 * anybody knows.
 */
export type Shown = Omit<Observed, 'attemptId'> & { readonly failure?: Cause; readonly silence?: string }

/** Milliseconds in which a pod may still turn up whose Job was just deleted. */
const lateMs = 3_000
/** Milliseconds beyond its grace period after which a pod of a node that does not answer counts as lost. */
const silentMs = 10_000

/** What became of an attempt, from what the cluster shows. Pure. */
export function shownBy(evidence: Evidence): Shown {
  const { job, pod } = evidence
  const stopped = evidence.stopAsked || job?.stopSeconds !== undefined
  const given = givenUp(job)
  const facts = pod === undefined ? {} : factsOf(pod)
  const ended = (cause: Cause, at: number, exitCode?: number): Shown => ({
    ...facts,
    phase: 'ended',
    ending: { at, cause, stopped, ...(exitCode === undefined ? {} : { exitCode }) } satisfies Ending,
  })
  if (given !== undefined && pod?.container.terminated?.exitCode === undefined) return ended(given.cause, given.at)
  if (pod === undefined) {
    if (job === undefined || (job.failed && !job.suspended))
      return ended(stopped ? stoppedBeforeStart : removed('Its objects were'), evidence.now)
    if (!job.deleting) return { phase: 'preparing', ...waitingFact(evidence, job) }
    if (evidence.deletingForMs < lateMs) return { phase: 'preparing' }
    return ended(stopped ? stoppedBeforeStart : removed('Its Job was'), evidence.now)
  }
  const { terminated, startedAt } = pod.container
  if (terminated !== undefined) {
    const { cause, exitCode } = endOf(evidence, pod, stopped)
    return ended(cause, terminated.at, exitCode)
  }
  if (pod.phase === 'Failed' || pod.phase === 'Succeeded')
    return ended(stopped ? stoppedBeforeStart : takenOff(pod, evidence), evidence.now)
  if (pod.deletingUntil !== undefined) {
    const silent = evidence.node === undefined || (!evidence.node.ready && evidence.now > pod.deletingUntil + silentMs)
    // A pod that no node has taken yet is gone as soon as it is told to go.
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

function waitingFact(evidence: Evidence, job: JobRecord): { waiting?: string; failure?: Cause } {
  const { text, failure } = waitingFor(job, evidence.pod, evidence)
  return { ...(text === undefined ? {} : { waiting: text }), ...(failure === undefined ? {} : { failure }) }
}

/** What the platform wrote on the Job when it gave the attempt up. */
function givenUp(job: JobRecord | undefined): { cause: Cause; at: number } | undefined {
  return job?.cause === undefined ? undefined : (JSON.parse(job.cause) as { cause: Cause; at: number })
}

/** How the command ended, or why it never started although its container was made. */
function endOf(evidence: Evidence, pod: PodRecord, stopped: boolean): { cause: Cause; exitCode?: number } {
  const { job } = evidence
  const { terminated, startedAt } = pod.container
  if (terminated === undefined) throw new Error('The container has not ended.')
  const { exitCode, reason, message } = terminated
  if (reason === 'StartError' || reason === 'ContainerCannotRun' || startedAt === undefined)
    return {
      cause: stopped
        ? stoppedBeforeStart
        : runtimeFailure(message, { image: job?.image ?? unknownImage, account: { name: job?.account ?? '' } }),
    }
  if (reason === 'ContainerStatusUnknown') return { cause: nodeLost(pod.node ?? '', true) }
  if (reason === 'OOMKilled' && !stopped)
    return { cause: outOfMemory(job?.memoryLimitGb ?? 0, undefined), exitCode: exitCode === 0 ? 137 : exitCode }
  if (pod.reason === 'DeadlineExceeded')
    return { cause: { code: 'time-limit', message: 'It ran longer than it may on this cluster.' }, exitCode }
  if (stopped) return { cause: stoppedBySignal(exitCode, exitCode === 137) ?? causeOfExit(exitCode), exitCode }
  const bySignal = exitCode === 143 || exitCode === 137
  if (pod.reason === 'Evicted' || pod.disruption !== undefined || (pod.deletingUntil !== undefined && bySignal))
    return { cause: takenOff(pod, evidence), exitCode }
  return { cause: causeOfExit(exitCode), exitCode }
}

/** Why the cluster, or somebody with rights on it, ended a pod. */
function takenOff(pod: PodRecord, { job, requeued }: Evidence): Cause {
  const node = pod.node ?? 'its node'
  const again = 'Submit it again; save the state of long work now and then.'
  const said = (pod.disruption?.message ?? pod.message).replace(/\.? *$/, '')
  if (/ephemeral.*storage|emptyDir.*exceeds|DiskPressure|low on resource: (?:ephemeral|inodes)/i.test(pod.message))
    return {
      code: 'evicted',
      message: `It was ended because it, or its node ${node}, had no disk space left: ${said}.`,
      hint: 'Write large files under /arc instead of /scratch and /tmp, and remove what is not needed any more.',
    }
  if (pod.reason === 'Evicted')
    return { code: 'evicted', message: `Its node ${node} ran short of something and ended it: ${said}.`, hint: again }
  const why: Readonly<Record<string, string>> = {
    PreemptionByScheduler: `a more urgent job needed its place on ${node}`,
    DeletionByTaintManager: `its node ${node} was closed or does not answer`,
    EvictionByEvictionAPI: `its node ${node} is being emptied`,
    DeletionByPodGC: `its node ${node} is gone from the cluster`,
    TerminationByKubelet: `its node ${node} is shutting down or short of resources`,
  }
  const reason = why[pod.disruption?.reason ?? '']
  if (reason !== undefined) return { code: 'evicted', message: `The cluster ended it: ${reason}.`, hint: again }
  if (job?.queued === true && (job.suspended || requeued))
    return {
      code: 'evicted',
      message: `The queue of the cluster (Kueue) took back its place on ${node} for other work.`,
      hint: again,
    }
  if (pod.deletingUntil !== undefined) return removed(job?.deleting === true ? 'Its Job was' : 'Its pod was')
  return {
    code: 'start-failed',
    message: `Its node ${node} refused it: ${said === '' ? pod.reason : said}.`,
    hint: 'Submit it again. If this happens again, it is for the people who run the platform.',
  }
}

const removed = (what: string): Cause => ({
  code: 'evicted',
  message: `${what} deleted in the cluster, by somebody else than the platform.`,
  hint: 'Ask the operators why, and submit it again.',
})

const silenceOf = ({ name }: NodeRecord): string =>
  `Its node ${name} does not answer. It may well go on there; once the cluster gives the node up it counts as lost.`

const nodeLost = (node: string, ran: boolean): Cause => ({
  code: 'lost',
  message: `Its node ${node} went away, so ${ran ? 'how its command ended' : 'whether its command ran'} is not known.`,
  hint: 'Look at the log for how far it came, and submit it again.',
})
