import type { Cause } from '@science-platform/contract'
import { explainFailure } from '../../../image/fetch/explain-failure.ts'
import { runtimeFailure } from '../../causes.ts'
import { parseQuantity } from '../objects/quantity.ts'
import type { JobRecord, PodRecord } from '../cache/records.ts'
import { printReference } from '../../../job/image-reference.ts'

/** Why an attempt's command does not run yet. */
export interface Waiting {
  /** For its owner; undefined while everything takes its usual course. */
  readonly text?: string
  /** It will not run: why. */
  readonly failure?: Cause
}

/** What else is known of an attempt that waits. */
export interface WaitingContext {
  /** The latest warning of the cluster about its Job or pod. */
  readonly warning: { readonly reason: string; readonly message: string } | undefined
  /** Seconds in which a registry that does not answer may come back. */
  readonly imageSeconds: number
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Milliseconds in which a Secret may still be on its way to its node, which then tries without: the next try is ten seconds later. */
const secretMs = 20_000

const imageReasons = [
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
]

/** What a Job and its pod, if there is one, wait for, in plain words. Pure. */
export function waitingFor(job: JobRecord, pod: PodRecord | undefined, context: WaitingContext): Waiting {
  if (pod === undefined) return withoutPod(job, context)
  if (pod.unschedulable !== undefined) return { text: unschedulable(pod.unschedulable) }
  const { waiting } = pod.container
  if (waiting !== undefined && imageReasons.includes(waiting.reason)) return withoutImage(job, pod, waiting, context)
  if (waiting?.reason === 'CreateContainerConfigError')
    return { text: `Its container cannot be made yet: ${waiting.message}. It is tried again.` }
  if (waiting !== undefined && ['CreateContainerError', 'RunContainerError'].includes(waiting.reason))
    return { failure: runtimeFailure(waiting.message, { image: job.image, account: { name: job.account } }) }
  const { warning } = context
  if (warning?.reason === 'FailedMount' || warning?.reason === 'FailedAttachVolume')
    return { text: `Its storage is not there yet: ${firstSentence(warning.message)}. It is tried again.` }
  if (warning?.reason === 'FailedCreatePodSandBox')
    return {
      text: `Its node ${pod.node ?? ''} could not set it up: ${firstSentence(warning.message)}. It is tried again.`,
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
      text: `The cluster's quota ${quota[1]} is used up: this asks for ${quota[2]}; ${quota[3]} of ${quota[4]} are in use. It starts when some becomes free.`,
    }
  const words = message
    .replace(/^\(combined from similar events\): /, '')
    .replace(/pods "[^"]*" is forbidden/, 'its pod is forbidden')
  return {
    text: `The cluster does not let it start: ${firstSentence(words)}. It is tried again; the operators may have to change something.`,
  }
}

function withoutImage(
  job: JobRecord,
  pod: PodRecord,
  { reason, message }: { readonly reason: string; readonly message: string },
  { imageSeconds, now }: WaitingContext,
): Waiting {
  if (reason === 'InvalidImageName')
    return {
      failure: { code: 'image-invalid', message: `${printReference(job.image)} is no name of an image: ${message}` },
    }
  // A node says no more than that it waits before the next try; the reason was told with the last one.
  if (/^Back-off pulling image "[^"]*"$/.test(message) || message === '') return {}
  const { registry } = job.image
  const cause = explainFailure(message, { image: printReference(job.image), host: registry, registry })
  const age = now - pod.createdAt
  if (cause.code === 'image-unauthorized' && pod.hasSecret && age < secretMs)
    return { text: 'Its registry has not taken its credentials; its node tries once more.' }
  if (cause.code !== 'image-unreachable' && cause.code !== 'image-invalid') return { failure: cause }
  const left = Math.ceil(imageSeconds - age / 1000)
  if (left <= 0) return { failure: cause }
  return { text: `${cause.message} It is tried again for ${left} more seconds.` }
}

/**
 * `couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor default, 500m more needed`, and
 * what else Kueue says of a Workload that it does not admit, in plain words.
 */
function unadmitted(warning: WaitingContext['warning']): string {
  const turn = 'It waits for its turn in the queue of the cluster (Kueue)'
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
    return `${turn}, which has ${amount(resource, most)} in ${flavor} and never more; it asks for ${amount(resource, asked)}. Cancel it and ask for less, or ask the operators.`
  }
  return `${turn}: ${firstSentence(message)}.`
}

/** A quantity of a resource in words: cores, GiB of memory, or whatever it is called. */
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
  if (reasons === undefined) return `No node of the cluster takes it now: ${firstSentence(message)}.`
  const words = reasons
    .replaceAll(/Insufficient cpu/g, 'without enough free cores')
    .replaceAll(/Insufficient memory/g, 'without enough free memory')
    .replaceAll(/Insufficient ephemeral-storage/g, 'without enough free disk')
    .replaceAll(/Insufficient \S*gpu/g, 'without a free GPU')
    .replaceAll(/Too many pods/g, 'with as many pods as they take')
    .replaceAll(/node\(s\) were unschedulable/g, 'closed for new work')
    .replaceAll(/node\(s\) had untolerated taint(?:\(s\))? ?/g, 'kept for other work ')
    .replaceAll(/node\(s\) didn't match Pod's node affinity\/selector/g, 'not meant for jobs')
  return `No node of the cluster takes it now: ${words.trim()}. It starts when one does.`
}

const firstSentence = (message: string): string =>
  (message.split('\n', 1)[0] ?? '').replace(/[.:]? *$/, '').slice(0, 500)
