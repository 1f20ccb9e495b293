import type { Network } from '@science-platform/contract'
import type { Policy } from './policy/policy.ts'

/** Where to listen. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** The platform's settings as the parts use them: complete, checked, frozen. `configuration/` reads them. */
export interface Config {
  readonly listen: Address
  /** What capabilities and links say, without trailing slash; absent: derived from the listening address. */
  readonly publicUrl?: string
  readonly dataDir: string
  /** Addresses and ranges of proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[]
  readonly executor: 'oci' | 'kubernetes'
  readonly kubernetes: KubernetesConfig
  /** What jobs may use of this machine; absent: what it has, less a reserve. */
  readonly capacity: {
    readonly cores?: number
    readonly memoryGb?: number
    readonly gpus?: number
    readonly gpuKind?: string
  }
  readonly images: {
    /** Registries that images may come from; `localhost/…` always may. */
    readonly registries: readonly string[]
    readonly aliases: Readonly<Record<string, string>>
    readonly insecure: readonly string[]
    /** Registry → hosts that may hand out its tokens, where that is not the registry itself. */
    readonly tokenHosts: Readonly<Record<string, readonly string[]>>
    /** How often the registries are asked what they offer. */
    readonly refreshMinutes: number
    /** GiB that images may take on the disk; absent: half of the disk. */
    readonly storeGb?: number
  }
  /** What a job gets that asks for none, absent: isolated as root, host without; and what it may ask for. */
  readonly network: { readonly default?: Network; readonly allowed?: readonly Network[] }
  /** Where Prometheus may read the metrics without a token; absent: nowhere. */
  readonly metrics: { readonly listen?: Address }
  readonly limits: {
    readonly interactive: number
    readonly logMb: number
    readonly processes: number
    /** How fast each account may read and change, and each address be refused: at once, and a second after that. */
    readonly requests: Readonly<
      Record<'reads' | 'changes' | 'unauthenticated', { readonly perSecond: number; readonly burst: number }>
    >
  }
  /** The rules of the queue, and what users and groups may hold. */
  readonly policy: Policy
  readonly retention: {
    readonly logsDays: number
    readonly jobsDays: number
    /** How long the skaha list shows an ended session. */
    readonly sessionsHours: number
    /** How long the change log is kept: readers that lag by more start anew. */
    readonly changesDays: number
    /** How long the audit trail is kept. */
    readonly auditDays: number
  }
}

/** Where files that outlive a job are: a claim of the namespace of the jobs, or a folder of every node. */
export type Volume =
  | { readonly claim: string; readonly subPath?: string }
  /** For clusters of one node and shared file systems that are mounted everywhere; the restricted standard forbids it. */
  | { readonly hostPath: string }

/** A taint that pods put up with (core/v1 Toleration). */
export interface Toleration {
  readonly key?: string
  readonly operator?: 'Exists' | 'Equal'
  readonly value?: string
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
}

/** How jobs run on a cluster. */
export interface KubernetesConfig {
  /** Path of a file; absent: the service account of the pod that the server runs in, or else what kubectl would use. */
  readonly kubeconfig?: string
  readonly namespace: string
  /** Tells this platform's objects from those of another in the same namespace. */
  readonly instance: string
  readonly volumes: {
    /** Holds a folder for each user, mounted at `/arc/home/USER`; absent: homes last no longer than a job. */
    readonly home?: Volume
    /** Mounted at `/arc/projects`; absent: an empty folder. */
    readonly projects?: Volume
  }
  /** Gibibytes of a node's disk for /scratch, /tmp and what is written over the image. */
  readonly scratchGb: { readonly request: number; readonly limit: number }
  /** Where the server sees the volume of the homes, to make missing ones; absent: somebody else makes them. */
  readonly homesFolder?: string
  readonly imagePullPolicy: 'Always' | 'IfNotPresent'
  /** Seconds in which a registry that does not answer may come back before the job fails. */
  readonly imageSeconds: number
  readonly dnsPolicy: 'ClusterFirst' | 'Default'
  /** Labels that a node must have for jobs to run on it. */
  readonly nodeSelector: Readonly<Record<string, string>>
  /** Taints that jobs put up with. */
  readonly tolerations: readonly Toleration[]
  /** A PriorityClass for the pods. */
  readonly priorityClass?: string
  /** A RuntimeClass for the pods, such as a sandboxed one; absent: the cluster's own runtime. */
  readonly runtimeClass?: string
  /** How many cores are offered for each that a node has: jobs rarely use all that they ask for. */
  readonly overcommit: number
  /** The extended resource that a GPU is. */
  readonly gpuResource: string
  /** Seconds after which a job on a node that does not answer counts as lost. */
  readonly lossSeconds: number
  /** Kueue's part: it admits, the platform's own plan only hands over. */
  readonly queue?: {
    readonly localQueue: string
    /** A WorkloadPriorityClass for each priority class of jobs. */
    readonly priorityClasses: Readonly<Partial<Record<'small' | 'normal' | 'large', string>>>
    /** How many times what the nodes have is handed to Kueue at once; the rest waits in the platform. */
    readonly depth: number
  }
  /**
   * Where figures of running jobs come from: `metrics`, the cluster's metrics server; `kubelet`, each node's own summary, which also
   * tells CPU time but takes the right to `nodes/proxy`, which gives far more than reading; `none`.
   */
  readonly usage: 'metrics' | 'kubelet' | 'none'
}
