import { createHash } from 'node:crypto'
import platform from '../../../../package.json' with { type: 'json' }
import type { V1Job, V1Secret, V1Volume, V1VolumeMount } from '@kubernetes/client-node'
import type { Volume } from '../../../configuration/config.ts'
import { imageSource } from '../../../image/access/allowed.ts'
import { isLocal, localRegistry, printReference } from '../../../job/image-reference.ts'
import { groupText, homeOf, passwdText } from '../../container-user.ts'
import { enteringCommand, enterPath, enterProgram } from '../../entry/entry.ts'
import type { AttemptSpec } from '../../executor.ts'
import {
  attemptLabel,
  containerName,
  finalizer,
  identityLabel,
  imageAnnotation,
  instanceLabel,
  labelsAnnotation,
  objectName,
  recordAnnotation,
  secretAnnotation,
  startGate,
} from './names.ts'
import { coresQuantity, gibibytesQuantity } from './quantity.ts'
import type { ClusterSettings } from '../settings.ts'

/** The content of the record annotation. */
export type JobRecordNote = Pick<AttemptSpec, 'resources' | 'network'> & Required<Pick<AttemptSpec, 'origin'>>

/** Accounts that programs expect beside the job's own. The platform does not know those of the image. */
const usualPasswd = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n'
const usualGroup = 'root:x:0:\nnogroup:x:65534:\n'

/** Thrown where no cluster can run an attempt as it is specified. */
export class CannotRun extends Error {
  override readonly name = 'CannotRun'
  readonly hint: string

  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

/** The variables of an attempt that a reader of pods may not see, by name. Pure. */
function secretVariables({ env, publicEnv = [] }: AttemptSpec): readonly (readonly [string, string])[] {
  const open = new Set(publicEnv)
  return Object.entries(env).filter(([name]) => !open.has(name))
}

/**
 * Whether an attempt has secrets, which stand in the Secret that its Job owns and nowhere else: whoever may read pods reads their
 * specification. The program `enter` is in it too: the platform may create no ConfigMaps. Pure.
 */
export const hasSecrets = (spec: AttemptSpec): boolean =>
  spec.registryAuth !== undefined || spec.workingDirectory !== undefined || secretVariables(spec).length > 0

/** The key of the program `enter` in a Secret: no variable has this name. */
const enterKey = '.enter'
const architectureLabel = 'kubernetes.io/arch'

/** The architecture of the program `enter`, by its names in Node and Kubernetes: that of the nodes, or of this server. */
const enterArchitectures = { amd64: 'x64', arm64: 'arm64' } as const
const ownArchitecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
function enterArchitectureOf({ nodeSelector }: Pick<ClusterSettings, 'nodeSelector'>): keyof typeof enterArchitectures {
  const chosen = nodeSelector[architectureLabel]
  return chosen === 'amd64' || chosen === 'arm64' ? chosen : ownArchitecture
}

/** The key of a variable in a Secret; keys have at most 253 characters. Pure. */
const secretKey = (name: string): string =>
  name.length <= 253 ? name : createHash('sha256').update(name).digest('hex')

/**
 * The Job of an attempt. Pure. A Job with secrets is suspended and in no queue, until {@link releaseOf} after the creation of its
 * Secret.
 * @param secret - The name that the Secret will have.
 * @throws {CannotRun}
 */
export function jobObject(spec: AttemptSpec, settings: ClusterSettings, secret: string): V1Job {
  if (spec.network === 'host')
    throw new CannotRun('The network "host" is not offered on a cluster.', 'Use isolated, or none.')
  if (spec.workingDirectory !== undefined && spec.cmd === undefined)
    throw new CannotRun(
      'A working directory needs a command here: the cluster alone knows the entry point of the image.',
      'Submit the job again with cmd, or without workingDirectory.',
    )
  const name = objectName(settings.instance, spec.id)
  const labels = labelsOf(spec, settings)
  const { volumes, mounts } = volumesOf(spec, settings, secret)
  const { cores, memoryGb, gpus } = spec.resources
  const gpu = gpus > 0 ? { [settings.gpuResource]: String(gpus) } : {}
  const isHeld = hasSecrets(spec)
  const sealed = new Set(secretVariables(spec).map(([variable]) => variable))
  const unreachable = { operator: 'Exists', effect: 'NoExecute', tolerationSeconds: settings.lossSeconds } as const
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      labels: { ...labels, ...(isHeld ? {} : queueLabels(spec, settings)) },
      annotations: {
        [imageAnnotation]: printReference(spec.image),
        ...recordOf(spec),
        ...(spec.labels === undefined ? {} : { [labelsAnnotation]: JSON.stringify(spec.labels) }),
        ...(isHeld ? { [secretAnnotation]: secret } : {}),
      },
      finalizers: [finalizer],
    },
    spec: {
      parallelism: 1,
      completions: 1,
      // No second pod, whatever becomes of the first: a job never runs twice.
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      suspend: isHeld || settings.queue !== undefined,
      template: {
        metadata: {
          labels,
          annotations: {
            'canfar.net/passwd': passwdText(usualPasswd, spec.account, false),
            'canfar.net/group': groupText(usualGroup, spec.account, false),
          },
          finalizers: [finalizer],
        },
        spec: {
          restartPolicy: 'Never',
          hostname: spec.name,
          // The pause container is process 1 then: signals without a handler end the command, and its orphans are reaped.
          shareProcessNamespace: true,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          dnsPolicy: settings.dnsPolicy,
          terminationGracePeriodSeconds: Math.max(1, Math.ceil(spec.graceSeconds)),
          nodeSelector: {
            ...(spec.workingDirectory === undefined ? {} : { [architectureLabel]: enterArchitectureOf(settings) }),
            ...settings.nodeSelector,
          },
          ...(spec.node === undefined || settings.queue !== undefined ? {} : { affinity: preferring(spec.node) }),
          tolerations: [
            { ...unreachable, key: 'node.kubernetes.io/not-ready' },
            { ...unreachable, key: 'node.kubernetes.io/unreachable' },
            ...settings.tolerations,
          ],
          // A Job may create a second pod while no server runs: after its first was removed by hand, or after Kueue has evicted
          // and admitted it again. So each pod waits for the platform to open its gate.
          schedulingGates: [{ name: startGate }],
          ...(settings.priorityClass === undefined ? {} : { priorityClassName: settings.priorityClass }),
          ...(settings.runtimeClass === undefined ? {} : { runtimeClassName: settings.runtimeClass }),
          ...(spec.registryAuth === undefined ? {} : { imagePullSecrets: [{ name: secret }] }),
          securityContext: {
            runAsNonRoot: true,
            runAsUser: spec.account.uid,
            runAsGroup: spec.account.gid,
            supplementalGroups: spec.account.groups.map(({ gid }) => gid),
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name: containerName,
              image: pulledImage(spec, settings),
              imagePullPolicy: settings.imagePullPolicy,
              ...(spec.cmd === undefined ? {} : { command: enteringCommand(spec, spec.cmd).map(literal) }),
              ...(spec.args === undefined ? {} : { args: spec.args.map(literal) }),
              env: Object.entries(spec.env).map(([variable, value]) => ({
                name: variable,
                ...(sealed.has(variable)
                  ? { valueFrom: { secretKeyRef: { name: secret, key: secretKey(variable) } } }
                  : { value: literal(value) }),
              })),
              // The runtime creates and enters it as root. A working directory is entered by `enter`.
              workingDir: homeOf(spec.account),
              resources: {
                requests: {
                  cpu: coresQuantity(cores.request / settings.overcommit),
                  memory: gibibytesQuantity(memoryGb.request),
                  'ephemeral-storage': gibibytesQuantity(settings.scratchGb.request),
                  ...gpu,
                },
                limits: {
                  cpu: coresQuantity(cores.limit),
                  memory: gibibytesQuantity(memoryGb.limit),
                  'ephemeral-storage': gibibytesQuantity(settings.scratchGb.limit),
                  ...gpu,
                },
              },
              securityContext: {
                privileged: false,
                allowPrivilegeEscalation: false,
                capabilities: { drop: ['ALL'] },
              },
              volumeMounts: mounts,
            },
          ],
          volumes,
        },
      },
    },
  }
}

/** The patch that releases a Job after the creation of its Secret. Pure. */
export const releaseOf = (spec: AttemptSpec, settings: ClusterSettings): object =>
  settings.queue === undefined ? { spec: { suspend: false } } : { metadata: { labels: queueLabels(spec, settings) } }

/**
 * The Secret of an attempt: its variables, and the credentials for its image. Garbage collection removes it with its Job. Pure.
 * @param job - The Job as it was created, which names the Secret.
 */
export function secretObject(spec: AttemptSpec, settings: ClusterSettings, job: V1Job): V1Secret {
  const { name = '', uid = '', annotations } = job.metadata ?? {}
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: annotations?.[secretAnnotation] ?? name,
      labels: labelsOf(spec, settings),
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid }],
    },
    type: spec.registryAuth === undefined ? 'Opaque' : 'kubernetes.io/dockerconfigjson',
    immutable: true,
    ...(spec.workingDirectory === undefined
      ? {}
      : { data: { [enterKey]: enterProgram(enterArchitectures[enterArchitectureOf(settings)]).toString('base64') } }),
    stringData: {
      ...Object.fromEntries(secretVariables(spec).map(([variable, value]) => [secretKey(variable), value])),
      ...(spec.registryAuth === undefined
        ? {}
        : { '.dockerconfigjson': pullSecret(spec, settings, spec.registryAuth) }),
    },
  }
}

/** Credentials for the registry of an attempt's image, as the kubelet reads them. */
function pullSecret(spec: AttemptSpec, settings: ClusterSettings, registryAuth: string): string {
  const { registry } = sourceOf(spec, settings)
  return JSON.stringify({ auths: { [registry]: { auth: Buffer.from(registryAuth).toString('base64') } } })
}

/**
 * The labels of the reference server (its docs/labels.md), so that operators' queries work on, and those by which the platform and
 * the chart's network policies select a job.
 */
const labelsOf = (spec: AttemptSpec, { instance }: ClusterSettings): Record<string, string> => ({
  'canfar.net/id': spec.jobId,
  'canfar.net/username': spec.account.name,
  'canfar.net/name': spec.name,
  'canfar.net/kind': 'headless',
  'canfar.net/job': objectName(instance, spec.id),
  'canfar.net/flavor': spec.resources.fixed ? 'fixed' : 'flexible',
  'canfar.net/accelerator': spec.resources.gpus > 0 ? 'gpu' : 'none',
  'canfar.net/community': 'default',
  'canfar.net/project': 'default',
  'canfar.net/network': spec.network ?? 'isolated',
  [instanceLabel]: instance,
  [attemptLabel]: spec.id,
  ...(spec.origin === undefined ? {} : { [identityLabel]: spec.origin.identity }),
  'app.kubernetes.io/managed-by': 'skaha',
  'app.kubernetes.io/part-of': 'canfar',
  'app.kubernetes.io/version': platform.version,
})

/** What a server that adopts the attempt reads, beside the Job's own fields. No variables: they may hold secrets. */
function recordOf({ origin, resources, network }: AttemptSpec): Record<string, string> {
  if (origin === undefined) return {}
  const record: JobRecordNote = { origin, resources, ...(network === undefined ? {} : { network }) }
  return { [recordAnnotation]: JSON.stringify(record) }
}

function queueLabels({ priorityClass }: AttemptSpec, { queue }: ClusterSettings): Record<string, string> {
  if (queue === undefined) return {}
  const priority = priorityClass === undefined ? undefined : queue.priorityClasses[priorityClass]
  return {
    'kueue.x-k8s.io/queue-name': queue.localQueue,
    ...(priority === undefined ? {} : { 'kueue.x-k8s.io/priority-class': priority }),
  }
}

/** Prefers the node of the plan. The cluster's scheduler may choose another. */
const preferring = (node: string) => ({
  nodeAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [
      {
        weight: 100,
        preference: { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] },
      },
    ],
  },
})

/** Escapes dollars: Kubernetes replaces `$(NAME)` in commands and variables, and reads `$$` as one dollar. */
const literal = (text: string): string => text.replaceAll('$', '$$$$')

function volumesOf(
  { account, resources, workingDirectory }: AttemptSpec,
  { volumes: { home, projects }, scratchGb }: ClusterSettings,
  secret: string,
): { volumes: V1Volume[]; mounts: V1VolumeMount[] } {
  const limit = { sizeLimit: gibibytesQuantity(scratchGb.limit) }
  const own = (path: string) => ({ path, fieldRef: { fieldPath: `metadata.annotations['canfar.net/${path}']` } })
  const volumes: V1Volume[] = [
    { name: 'scratch', emptyDir: limit },
    { name: 'tmp', emptyDir: limit },
    // Its pages count as memory of the container, so the memory limit limits it. Without a volume the runtime gives 64 MiB.
    { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: gibibytesQuantity(resources.memoryGb.limit) } },
    { name: 'accounts', downwardAPI: { items: [own('passwd'), own('group')] } },
    source('home', home),
    source('projects', projects),
    ...(workingDirectory === undefined
      ? []
      : [{ name: 'enter', secret: { secretName: secret, items: [{ key: enterKey, path: 'enter', mode: 0o555 }] } }]),
  ]
  const mounts: V1VolumeMount[] = [
    { name: 'scratch', mountPath: '/scratch' },
    { name: 'tmp', mountPath: '/tmp' },
    { name: 'shm', mountPath: '/dev/shm' },
    { name: 'accounts', mountPath: '/etc/passwd', subPath: 'passwd', readOnly: true },
    { name: 'accounts', mountPath: '/etc/group', subPath: 'group', readOnly: true },
    { name: 'home', mountPath: homeOf(account), ...below(home, home === undefined ? undefined : account.name) },
    { name: 'projects', mountPath: '/arc/projects', ...below(projects) },
    ...(workingDirectory === undefined
      ? []
      : [{ name: 'enter', mountPath: enterPath, subPath: 'enter', readOnly: true }]),
  ]
  return { volumes, mounts }
}

function source(name: string, volume: Volume | undefined): V1Volume {
  if (volume === undefined) return { name, emptyDir: {} }
  if ('claim' in volume) return { name, persistentVolumeClaim: { claimName: volume.claim } }
  return { name, hostPath: { path: volume.hostPath, type: 'Directory' } }
}

function below(volume: Volume | undefined, folder?: string): { subPath?: string } {
  const within = volume !== undefined && 'claim' in volume ? volume.subPath : undefined
  const path = [within, folder].filter((part) => part !== undefined).join('/')
  return path === '' ? {} : { subPath: path }
}

/** The image that the nodes pull: by digest where it is known, from the alias of its registry where there is one. */
function pulledImage(spec: AttemptSpec, settings: ClusterSettings): string {
  const { registry, path, tag, digest } = sourceOf(spec, settings)
  const wanted = spec.imageDigest ?? digest
  return `${registry}/${path}${wanted === undefined ? `:${tag ?? 'latest'}` : `@${wanted}`}`
}

function sourceOf(spec: AttemptSpec, { images }: ClusterSettings) {
  const reference = spec.image
  if (isLocal(reference) && images.aliases[localRegistry] === undefined)
    throw new CannotRun(
      `The image ${printReference(reference)} is in the server's own store, which the nodes of the cluster cannot read.`,
      `Push the image to a registry; the operators can name one in place of ${localRegistry}/ under images.aliases.`,
    )
  const { registry, path } = imageSource(reference, images)
  return { registry, path, tag: reference.tag, digest: reference.digest }
}
