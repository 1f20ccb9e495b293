import type { Cause } from '@science-platform/contract'
import { explainFailure } from '../../../image/fetch/explain-failure.ts'
import { runtimeFailure } from '../../causes.ts'
import { parseQuantity } from '../objects/quantity.ts'
import type { JobRecord, PodRecord } from '../cache/records.ts'
import { printReference } from '../../../job/image-reference.ts'

/** Why the command of an attempt does not run yet. */
export interface Waiting {
  /** A text for its owner; undefined while its start takes no longer than usual. */
  readonly text?: string
  /** Why the attempt cannot run at all. */
  readonly failure?: Cause
  /** Whether a later attempt may run. */
  readonly passes?: true
}

/** What else the decision about a waiting attempt depends on. */
export interface WaitingContext {
  /** The latest warning of the cluster about its Job or pod. */
  readonly warning: { readonly reason: string; readonly message: string } | undefined
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Milliseconds in which a Secret may not have reached its node. The node pulls without it then, and retries after ten seconds. */
const secretMs = 20_000

const secretDeleted: Cause = {
  code: 'start-failed',
  message: "The Secret with the job's variables was deleted from the cluster before the job started.",
  hint: 'Submit the job again. If this happens again, tell the operators of the platform.',
}

const imageReasons = [
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
]

/** What a Job, and its pod where one exists, wait for, in plain words. Pure. */
export function waitingFor(job: JobRecord, pod: PodRecord | undefined, context: WaitingContext): Waiting {
  if (pod === undefined) return withoutPod(job, context)
  if (pod.unschedulable !== undefined) return { text: unschedulable(pod.unschedulable) }
  const { waiting } = pod.container
  if (waiting !== undefined && imageReasons.includes(waiting.reason)) return withoutImage(job, pod, waiting, context)
  if (waiting?.reason === 'CreateContainerConfigError') {
    // The platform creates the Secret before the pod.
    if (/^secret "[^"]*" not found$/.test(waiting.message) && context.now - pod.createdAt >= secretMs)
      return { failure: secretDeleted }
    return { text: `The job's container cannot be created yet: ${waiting.message}. The node retries.` }
  }
  if (waiting !== undefined && ['CreateContainerError', 'RunContainerError'].includes(waiting.reason))
    return { failure: runtimeFailure(waiting.message, { image: job.image, account: { name: job.account } }) }
  const { warning } = context
  if (warning?.reason === 'FailedMount' || warning?.reason === 'FailedAttachVolume')
    return { text: `The job's storage is not available yet: ${firstSentence(warning.message)}. The node retries.` }
  if (warning?.reason === 'FailedCreatePodSandBox')
    return {
      text: `The node ${pod.node ?? ''} could not set the job up: ${firstSentence(warning.message)}. The node retries.`,
    }
  return {}
}

function withoutPod(job: JobRecord, { warning }: WaitingContext): Waiting {
  if (job.suspended && job.queued) return { text: unadmitted(warning) }
  if (warning?.reason !== 'FailedCreate') return {}
  const { message } = warning
  const quota = /exceeded quota: (\S+), requested: (.*), used: (.*), limited: (.*)/.exec(message)
  if (quota !== null)
    return {
      text: `The cluster's quota ${quota[1]} is used up: the job requests ${quota[2]}; ${quota[3]} of ${quota[4]} are in use. The job starts when enough is free.`,
    }
  const words = message
    .replace(/^\(combined from similar events\): /, '')
    .replace(/pods "[^"]*" is forbidden/, 'the pod is forbidden')
  return {
    text: `The cluster does not let the job start: ${firstSentence(words)}. The cluster retries; the operators may have to change something.`,
  }
}

function withoutImage(
  job: JobRecord,
  pod: PodRecord,
  { reason, message }: { readonly reason: string; readonly message: string },
  { now }: WaitingContext,
): Waiting {
  if (reason === 'InvalidImageName')
    return {
      failure: { code: 'image-invalid', message: `${printReference(job.image)} is not a valid image name: ${message}` },
    }
  // The message of the back-off has no reason; the one before it had.
  if (/^Back-off pulling image "[^"]*"$/.test(message) || message === '') return {}
  const { registry } = job.image
  const { cause, passes } = explainFailure(message, { image: printReference(job.image), host: registry, registry })
  const age = now - pod.createdAt
  if (cause.code === 'image-unauthorized' && pod.hasSecret && age < secretMs)
    return { text: 'The registry refused the credentials; the node retries once.' }
  // Messages that no row explains may also be of a registry that is away.
  return passes || cause.code === 'image-invalid' ? { failure: cause, passes: true } : { failure: cause }
}

/**
 * `couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor default, 500m more needed`, and
 * other messages of Kueue about a Workload that it does not admit, in plain words.
 */
function unadmitted(warning: WaitingContext['warning']): string {
  const turn = 'The job waits in the queue of the cluster (Kueue)'
  if (warning?.reason !== 'Pending') return `${turn}.`
  const { message } = warning
  const unused = [
    ...message.matchAll(/insufficient unused quota for (\S+) in flavor (\S+), (\d[\d.]*[a-zA-Z]*) more needed/g),
  ]
  if (unused.length > 0) {
    const missing = unused.map(([, resource = '', flavor, more = '']) => `${amount(resource, more)} in ${flavor}`)
    return `${turn}: ${missing.join(' and ')} must become free.`
  }
  const never =
    /insufficient quota for (\S+) in flavor (\S+), .*request \((\d[\d.]*[a-zA-Z]*)\) > maximum capacity \((\d[\d.]*[a-zA-Z]*)\)/.exec(
      message,
    )
  if (never !== null) {
    const [, resource = '', flavor, asked = '', most = ''] = never
    return `${turn}, which has ${amount(resource, most)} in ${flavor} at most; the job requests ${amount(resource, asked)}. Cancel the job and submit it with less, or ask the operators.`
  }
  return `${turn}: ${firstSentence(message)}.`
}

/** A quantity of a resource in words: cores, GiB, GPUs, or the resource by its name. */
function amount(resource: string, quantity: string): string {
  const value = parseQuantity(quantity)
  const rounded = (number: number): number => Math.ceil(number * 100) / 100
  if (resource === 'cpu') return `${rounded(value)} ${value === 1 ? 'core' : 'cores'}`
  if (resource === 'memory') return `${rounded(value / 2 ** 30)} GiB of memory`
  if (resource === 'ephemeral-storage') return `${rounded(value / 2 ** 30)} GiB of disk`
  return resource.endsWith('gpu') ? `${value} ${value === 1 ? 'GPU' : 'GPUs'}` : `${quantity} of ${resource}`
}

/** `0/5 nodes are available: 3 Insufficient cpu, 2 node(s) had untolerated taint {x: }. preemption: …` in plain words. */
function unschedulable(message: string): string {
  const reasons = /nodes are available: (.*?)\.(?: |$)/.exec(message)?.[1]
  if (reasons === undefined) return `No node of the cluster has room for the job: ${firstSentence(message)}.`
  const words = reasons
    .replaceAll(/Insufficient cpu/g, 'without enough free cores')
    .replaceAll(/Insufficient memory/g, 'without enough free memory')
    .replaceAll(/Insufficient ephemeral-storage/g, 'without enough free disk')
    .replaceAll(/Insufficient \S*gpu/g, 'without a free GPU')
    .replaceAll(/Too many pods/g, 'with their limit of pods reached')
    .replaceAll(/node\(s\) were unschedulable/g, 'closed for new jobs')
    .replaceAll(/node\(s\) had untolerated taint(?:\(s\))? ?/g, 'reserved for other work ')
    .replaceAll(/node\(s\) didn't match Pod's node affinity\/selector/g, 'not meant for jobs')
  return `No node of the cluster has room for the job: ${words.trim()}. The job starts when one has.`
}

const firstSentence = (message: string): string =>
  (message.split('\n', 1)[0] ?? '').replace(/[.:]? *$/, '').slice(0, 500)
