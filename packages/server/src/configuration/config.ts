import type { Network } from '@science-platform/contract'
import type { LogFormat } from '../lib/log.ts'
import type { Policy } from './policy/policy.ts'

/** An address to listen on. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** The platform's settings: complete, validated, frozen. */
export interface Config {
  readonly listen: Address
  /** The address in capabilities and links, without trailing slash; absent: derived from the listening address. */
  readonly publicUrl?: string
  readonly dataDir: string
  /** Addresses and ranges of proxies whose X-Forwarded-For is trusted. */
  readonly trustedProxies: readonly string[]
  readonly executor: 'oci' | 'kubernetes'
  readonly kubernetes: KubernetesConfig
  /** The capacity of this machine for jobs; absent: its size less a reserve. */
  readonly capacity: {
    readonly cores?: number
    readonly memoryGb?: number
    readonly gpus?: number
    readonly gpuKind?: string
  }
  readonly images: {
    /** Allowed registries; `localhost/…` is always allowed. */
    readonly registries: readonly string[]
    readonly aliases: Readonly<Record<string, string>>
    readonly insecure: readonly string[]
    /** Registry → hosts that may issue its tokens besides the registry itself. */
    readonly tokenHosts: Readonly<Record<string, readonly string[]>>
    /** Minutes between two listings of the registries. */
    readonly refreshMinutes: number
    /** GiB that images may take on the disk; absent: half of the disk. */
    readonly storeGb?: number
    /** Seconds in which a job is tried again whose registry does not answer, with the executor oci. */
    readonly waitSeconds: number
  }
  /** The default network of jobs (absent: isolated as root, otherwise host), and the networks that they may request. */
  readonly network: { readonly default?: Network; readonly allowed?: readonly Network[] }
  /** How `serve` writes its log; absent: text on a terminal, JSON elsewhere. */
  readonly log: { readonly format?: LogFormat }
  /** The address that serves metrics without a token; absent: none. */
  readonly metrics: { readonly listen?: Address }
  /** `umask` of jobs as a number; absent: 002 where the user's primary group is their own, else 022. */
  readonly jobs: { readonly umask?: number }
  readonly limits: {
    readonly interactive: number
    readonly logMb: number
    readonly processes: number
    /** Rate limits of reads and changes by account, and of refusals by address: a burst, then so many a second. */
    readonly requests: Readonly<
      Record<'reads' | 'changes' | 'unauthenticated', { readonly perSecond: number; readonly burst: number }>
    >
  }
  /** The rules of the queue, and the limits of users and groups. */
  readonly policy: Policy
  /** Keys that were given and have no effect any more. */
  readonly unusedKeys: readonly string[]
  readonly retention: {
    readonly logsDays: number
    readonly jobsDays: number
    /** How long the skaha list has an ended session. */
    readonly sessionsHours: number
    /** How long the change log is kept: readers that lag by more start anew. */
    readonly changesDays: number
    /** How long audit entries stay. */
    readonly auditDays: number
  }
}

/** A volume for files that outlive a job: a claim in the namespace of the jobs, or a folder of every node. */
export type Volume =
  | { readonly claim: string; readonly subPath?: string }
  /** For one node, or a shared file system that every node mounts. The restricted pod security standard forbids it. */
  | { readonly hostPath: string }

/** A toleration of the pods (core/v1 Toleration). */
export interface Toleration {
  readonly key?: string
  readonly operator?: 'Exists' | 'Equal'
  readonly value?: string
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
}

/** How jobs run on a cluster. */
export interface KubernetesConfig {
  /** Path of a file; absent: the service account of the server's pod, otherwise kubectl's default. */
  readonly kubeconfig?: string
  readonly namespace: string
  /** Distinguishes this platform's objects from those of another platform in the same namespace. */
  readonly instance: string
  readonly volumes: {
    /** Has a folder for each user, mounted at `/arc/home/USER`; absent: homes end with their job. */
    readonly home?: Volume
    /** Mounted at `/arc/projects`; absent: an empty folder. */
    readonly projects?: Volume
  }
  /** GiB of a node's disk for /scratch, /tmp and files written over the image. */
  readonly scratchGb: { readonly request: number; readonly limit: number }
  /** The server's mount of the home volume, where it creates missing homes; absent: the site creates them. */
  readonly homesFolder?: string
  readonly imagePullPolicy: 'Always' | 'IfNotPresent'
  /** Seconds that a job waits for a registry that does not answer. */
  readonly imageSeconds: number
  readonly dnsPolicy: 'ClusterFirst' | 'Default'
  /** Labels that a node must have for jobs to run on it. */
  readonly nodeSelector: Readonly<Record<string, string>>
  /** Tolerations of the jobs. */
  readonly tolerations: readonly Toleration[]
  /** A PriorityClass for the pods. */
  readonly priorityClass?: string
  /** A RuntimeClass for the pods, such as a sandboxed one; absent: the cluster's default. */
  readonly runtimeClass?: string
  /** Offered cores for each core of a node: jobs rarely use all the cores that they request. */
  readonly overcommit: number
  /** The extended resource of a GPU. */
  readonly gpuResource: string
  /** Seconds after which a job on a node that does not answer counts as lost. */
  readonly lossSeconds: number
  /** Kueue admits the jobs; the platform creates them in the order of its plan. */
  readonly queue?: {
    readonly localQueue: string
    /** A WorkloadPriorityClass for each priority class of jobs. */
    readonly priorityClasses: Readonly<Partial<Record<'small' | 'normal' | 'large', string>>>
    /** Jobs in Kueue at once, as a multiple of the nodes' capacity; the rest waits in the platform. */
    readonly depth: number
  }
  /**
   * The source of the usage of running jobs: `metrics` is the cluster's metrics server; `kubelet` is each node's summary, which
   * has CPU time, too, but takes the right `nodes/proxy`, which allows far more than reading; `none`.
   */
  readonly usage: 'metrics' | 'kubelet' | 'none'
}
