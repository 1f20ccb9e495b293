import type { V1ContainerStatus, V1Job, V1Node, V1Pod } from '@kubernetes/client-node'
import {
  attemptLabel,
  causeAnnotation,
  containerName,
  finalizer,
  identityLabel,
  imageAnnotation,
  startGate,
  stopAnnotation,
} from '../objects/names.ts'
import { commandOf } from '../attempt/job-evidence.ts'
import { parseQuantity } from '../objects/quantity.ts'
import { parseReference, unknownImage, type ImageReference } from '../../../job/image-reference.ts'

/** The cached part of an object: ten thousand whole objects would fill the memory. */
interface Recorded {
  readonly name: string
  readonly uid: string
  /** Grows with each change of any object (resourceVersion). */
  readonly version: number
}

/** The cached part of a Job. */
export interface JobRecord extends Recorded {
  readonly attemptId: string
  readonly deleting: boolean
  /** Whether it has the platform's finalizer, which delays its deletion. */
  readonly hasFinalizer: boolean
  readonly suspended: boolean
  /** Whether it is in a queue of Kueue. */
  readonly queued: boolean
  readonly failed: boolean
  /** The grace period, once the platform has stopped the attempt. */
  readonly stopSeconds: number | undefined
  /** The cause as JSON, once the platform has ended an attempt that could not run. */
  readonly cause: string | undefined
  /** {@link unknownImage} where the annotation is missing. */
  readonly image: ImageReference
  readonly account: string
  /** Undefined: the home. */
  readonly workingDirectory: string | undefined
  /** The identity of the database that has the attempt's record; undefined: a release that stamped none created it. */
  readonly identity: string | undefined
  readonly memoryLimitGb: number
}

/** The cached part of a pod. */
export interface PodRecord extends Recorded {
  readonly attemptId: string
  readonly node: string | undefined
  readonly createdAt: number
  /** When its grace period ends, once it is being deleted; in milliseconds since the epoch. */
  readonly deletingUntil: number | undefined
  /** When its deletion was requested, in milliseconds since the epoch; undefined while it is not being deleted. */
  readonly deletedAt: number | undefined
  readonly hasFinalizer: boolean
  /** Whether its image is pulled with the credentials of a Secret. */
  readonly hasSecret: boolean
  /** Whether it has the platform's scheduling gate. */
  readonly gated: boolean
  readonly phase: string
  readonly reason: string
  readonly message: string
  /** Why the scheduler finds no node for it; undefined where it does. */
  readonly unschedulable: string | undefined
  /** Why the cluster evicts it from its node. */
  readonly disruption: { readonly reason: string; readonly message: string } | undefined
  readonly container: ContainerRecord
}

/** The cached part of the container that runs the command. */
export interface ContainerRecord {
  readonly imageDigest?: string
  readonly waiting?: { readonly reason: string; readonly message: string }
  /** Milliseconds since the epoch. */
  readonly startedAt?: number
  readonly terminated?: {
    readonly at: number
    readonly exitCode: number
    readonly reason: string
    readonly message: string
  }
}

/** The cached part of a node. */
export interface NodeRecord extends Recorded {
  readonly ready: boolean
  readonly cordoned: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly { readonly key: string; readonly value: string; readonly effect: string }[]
  readonly cores: number
  readonly memoryGb: number
  readonly gpus: number
}

/** What a pod of another program requests on a node. */
export interface Tenant extends Recorded {
  readonly node: string
  readonly cores: number
  readonly memoryGb: number
  readonly gpus: number
}

const gib = 2 ** 30

function recorded(object: V1Job | V1Pod | V1Node): Recorded {
  const { name = '', uid = '', resourceVersion = '0' } = object.metadata ?? {}
  return { name, uid, version: Number(resourceVersion) }
}

// The library's types have Date here, but the JSON of the API has text.
const instant = (value: unknown): number | undefined => (typeof value === 'string' ? Date.parse(value) : undefined)

function imageOf(annotation = ''): ImageReference {
  const reference = parseReference(annotation)
  return 'fault' in reference ? unknownImage : reference
}

/** Pure. */
export function jobRecord(job: V1Job): JobRecord {
  const { metadata = {}, spec, status } = job
  const { labels = {}, annotations = {} } = metadata
  const stop = annotations[stopAnnotation]
  return {
    ...recorded(job),
    attemptId: labels[attemptLabel] ?? '',
    deleting: metadata.deletionTimestamp !== undefined,
    hasFinalizer: metadata.finalizers?.includes(finalizer) === true,
    suspended: spec?.suspend === true,
    queued: labels['kueue.x-k8s.io/queue-name'] !== undefined,
    failed: (status?.conditions ?? []).some(({ type, status: holds }) => type === 'Failed' && holds === 'True'),
    stopSeconds: stop === undefined ? undefined : Number(stop),
    cause: annotations[causeAnnotation],
    image: imageOf(annotations[imageAnnotation]),
    account: labels['canfar.net/username'] ?? '',
    workingDirectory: commandOf(spec?.template.spec?.containers[0]?.command).workingDirectory,
    identity: labels[identityLabel],
    memoryLimitGb: parseQuantity(spec?.template.spec?.containers[0]?.resources?.limits?.['memory']) / gib,
  }
}

/** Pure. */
export function podRecord(pod: V1Pod): PodRecord {
  const { metadata = {}, spec, status } = pod
  const conditions = status?.conditions ?? []
  const scheduled = conditions.find(({ type }) => type === 'PodScheduled')
  const disrupted = conditions.find(({ type, status: holds }) => type === 'DisruptionTarget' && holds === 'True')
  const deletingUntil = instant(metadata.deletionTimestamp)
  const unschedulable = scheduled?.status === 'False' && scheduled.reason !== 'SchedulingGated'
  return {
    ...recorded(pod),
    attemptId: metadata.labels?.[attemptLabel] ?? '',
    node: spec?.nodeName,
    createdAt: instant(metadata.creationTimestamp) ?? 0,
    deletingUntil,
    deletedAt:
      deletingUntil === undefined ? undefined : deletingUntil - (metadata.deletionGracePeriodSeconds ?? 0) * 1000,
    hasFinalizer: metadata.finalizers?.includes(finalizer) === true,
    hasSecret: (spec?.imagePullSecrets ?? []).length > 0,
    gated: spec?.schedulingGates?.some(({ name }) => name === startGate) === true,
    phase: status?.phase ?? 'Pending',
    reason: status?.reason ?? '',
    message: status?.message ?? '',
    unschedulable: unschedulable ? (scheduled.message ?? scheduled.reason ?? '') : undefined,
    disruption:
      disrupted === undefined ? undefined : { reason: disrupted.reason ?? '', message: disrupted.message ?? '' },
    container: containerRecord(status?.containerStatuses?.find(({ name }) => name === containerName)),
  }
}

function containerRecord(status: V1ContainerStatus | undefined): ContainerRecord {
  if (status === undefined) return {}
  const { waiting, running, terminated } = status.state ?? {}
  const imageDigest = /@(sha256:[0-9a-f]{64})$/.exec(status.imageID)?.[1]
  // A container that never started has the time 0 here.
  const startedAt = instant(running?.startedAt) ?? (instant(terminated?.startedAt) || undefined)
  return {
    ...(imageDigest === undefined ? {} : { imageDigest }),
    ...(waiting === undefined ? {} : { waiting: { reason: waiting.reason ?? '', message: waiting.message ?? '' } }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(terminated === undefined
      ? {}
      : {
          terminated: {
            at: instant(terminated.finishedAt) || Date.now(),
            exitCode: terminated.exitCode,
            reason: terminated.reason ?? '',
            message: terminated.message ?? '',
          },
        }),
  }
}

/** Pure. */
export function nodeRecord(node: V1Node, gpuResource: string): NodeRecord {
  const { spec, status, metadata } = node
  const { allocatable = {} } = status ?? {}
  return {
    ...recorded(node),
    ready: (status?.conditions ?? []).some(({ type, status: holds }) => type === 'Ready' && holds === 'True'),
    cordoned: spec?.unschedulable === true,
    labels: metadata?.labels ?? {},
    taints: (spec?.taints ?? []).map(({ key, value = '', effect }) => ({ key, value, effect })),
    cores: parseQuantity(allocatable['cpu']),
    memoryGb: parseQuantity(allocatable['memory']) / gib,
    gpus: parseQuantity(allocatable[gpuResource]),
  }
}

/** What a pod requests: the sum of its containers, or its largest init container where that is more. Pure. */
export function tenant(pod: V1Pod, gpuResource: string): Tenant {
  const { containers = [], initContainers = [], nodeName = '', overhead = {} } = pod.spec ?? {}
  const needs = (resource: string): number => {
    const of = (container: (typeof containers)[number]): number =>
      parseQuantity(container.resources?.requests?.[resource])
    const together = containers.reduce((sum, container) => sum + of(container), 0)
    return Math.max(together, ...initContainers.map(of)) + parseQuantity(overhead[resource])
  }
  return {
    ...recorded(pod),
    node: nodeName,
    cores: needs('cpu'),
    memoryGb: needs('memory') / gib,
    gpus: needs(gpuResource),
  }
}
