import Type, { type Static } from 'typebox'
import type { KubernetesConfig, Volume } from './config.ts'

const Closed = { additionalProperties: false } as const
const Name = Type.String({ minLength: 1, maxLength: 253 })
const AbsolutePath = Type.String({ pattern: '^/' })

/** A claim with an optional folder in it, or a folder of every node. {@link kubernetesConfig} refuses both at once. */
const VolumeKeys = Type.Object(
  {
    claim: Type.Optional(Name),
    subPath: Type.Optional(Type.String({ pattern: '^[^/]' })),
    hostPath: Type.Optional(AbsolutePath),
  },
  { ...Closed, default: {} },
)

/** The section `kubernetes` of the configuration file. */
export const KubernetesKeys = Type.Object(
  {
    kubeconfig: Type.Optional(Type.String({ minLength: 1 })),
    namespace: Type.String({ pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$', default: 'science-platform-jobs' }),
    instance: Type.String({ pattern: '^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$', default: 'science-platform' }),
    volumes: Type.Object(
      {
        home: VolumeKeys,
        projects: VolumeKeys,
        scratchGb: Type.Number({ exclusiveMinimum: 0, default: 200 }),
        scratchRequestGb: Type.Number({ minimum: 0, default: 0 }),
      },
      { ...Closed, default: {} },
    ),
    homesFolder: Type.Optional(AbsolutePath),
    imagePullPolicy: Type.Enum(['Always', 'IfNotPresent'], { default: 'Always' }),
    imageSeconds: Type.Number({ minimum: 0, default: 600 }),
    dnsPolicy: Type.Enum(['ClusterFirst', 'Default'], { default: 'ClusterFirst' }),
    nodeSelector: Type.Optional(Type.Record(Type.String(), Type.String())),
    tolerations: Type.Optional(
      Type.Array(
        Type.Object(
          {
            key: Type.Optional(Type.String()),
            operator: Type.Optional(Type.Enum(['Exists', 'Equal'])),
            value: Type.Optional(Type.String()),
            effect: Type.Optional(Type.Enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])),
          },
          Closed,
        ),
      ),
    ),
    priorityClass: Type.Optional(Name),
    runtimeClass: Type.Optional(Name),
    overcommit: Type.Number({ minimum: 1, maximum: 100, default: 1 }),
    gpuResource: Type.String({ minLength: 1, default: 'nvidia.com/gpu' }),
    lossSeconds: Type.Integer({ minimum: 1, default: 300 }),
    queue: Type.Object(
      {
        localQueue: Type.Optional(Name),
        priorityClasses: Type.Optional(
          Type.Object({ small: Type.Optional(Name), normal: Type.Optional(Name), large: Type.Optional(Name) }, Closed),
        ),
        depth: Type.Number({ minimum: 1, default: 10 }),
      },
      { ...Closed, default: {} },
    ),
    usage: Type.Enum(['metrics', 'kubelet', 'none'], { default: 'metrics' }),
  },
  { ...Closed, default: {} },
)
type KubernetesKeys = Static<typeof KubernetesKeys>

/** A fault of the section that its schema does not find. */
export interface KubernetesFault {
  readonly fault: string
}

/** The section as settings. Pure. */
export function kubernetesConfig(keys: KubernetesKeys): KubernetesConfig | KubernetesFault {
  const { volumes, queue, nodeSelector = {}, tolerations = [], ...rest } = keys
  for (const name of ['home', 'projects'] as const) {
    const { claim, hostPath, subPath } = volumes[name]
    if (claim !== undefined && hostPath !== undefined)
      return { fault: `kubernetes.volumes.${name} has both a claim and a hostPath; give one of them` }
    if (subPath !== undefined && claim === undefined)
      return {
        fault: `kubernetes.volumes.${name}.subPath is a folder of a claim; give kubernetes.volumes.${name}.claim`,
      }
  }
  const { localQueue, priorityClasses = {}, depth } = queue
  const home = volumeOf(volumes.home)
  const projects = volumeOf(volumes.projects)
  return {
    ...rest,
    volumes: { ...(home === undefined ? {} : { home }), ...(projects === undefined ? {} : { projects }) },
    scratchGb: { request: volumes.scratchRequestGb, limit: volumes.scratchGb },
    nodeSelector,
    tolerations,
    ...(localQueue === undefined ? {} : { queue: { localQueue, priorityClasses, depth } }),
  }
}

function volumeOf({ claim, subPath, hostPath }: KubernetesKeys['volumes']['home']): Volume | undefined {
  if (hostPath !== undefined) return { hostPath }
  if (claim === undefined) return undefined
  return { claim, ...(subPath === undefined ? {} : { subPath }) }
}
