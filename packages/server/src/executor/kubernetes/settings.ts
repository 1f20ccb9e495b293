import type { ImagePolicy } from '../../image/allowed.ts'

/** Where files that outlive a job are: a claim of the namespace, or a folder of every node. */
export type Volume =
  | { readonly claim: string; readonly subPath?: string }
  /** For clusters of one node and shared file systems that are mounted everywhere; the restricted standard forbids it. */
  | { readonly hostPath: string }

/** Kueue's part: it admits, the platform's own plan only hands over. */
export interface QueueSettings {
  readonly localQueue: string
  /** A WorkloadPriorityClass. */
  readonly priorityClass?: string
  /** How many times what the nodes have is handed to Kueue at once; the rest waits in the platform. */
  readonly depth: number
}

/** How jobs become objects of a cluster; the configuration's `kubernetes` section tells what each is for. */
export interface ClusterSettings {
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
  /** The extended resource that a GPU is. */
  readonly gpuResource: string
  /** Seconds after which a job on a node that does not answer counts as lost. */
  readonly lossSeconds: number
  readonly queue?: QueueSettings
  readonly images: ImagePolicy
}

/** A taint that pods put up with (core/v1 Toleration). */
export interface Toleration {
  readonly key?: string
  readonly operator?: 'Exists' | 'Equal'
  readonly value?: string
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
}
