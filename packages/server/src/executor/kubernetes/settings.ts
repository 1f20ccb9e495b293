import type { Logger } from 'pino'
import type { ImagePolicy } from '../../image/access/allowed.ts'
import type { Ownership } from '../executor.ts'
import type { KubernetesConfig } from '../../configuration/config.ts'
import type { IdentitySource } from './credentials/kubeconfig.ts'

/** Settings that decide how a job becomes objects of a cluster. */
export type ClusterSettings = Omit<KubernetesConfig, 'kubeconfig' | 'homesFolder' | 'usage'> & {
  readonly images: ImagePolicy
}

/** Settings of an executor on a cluster. */
export interface KubernetesOptions extends ClusterSettings {
  /** Which of the objects in the namespace are this server's. */
  readonly ownership: Ownership
  /** Called once where another server has taken the Lease: this one must stop. The text says who. */
  readonly onLeaseLost: (message: string) => void
  /** Finds the API server and the credentials for it. */
  readonly identity: IdentitySource
  /** Absolute path of the data folder; attempts and logs are stored in it. */
  readonly dataDir: string
  /** Where this process sees the volume of the homes, to create missing ones; undefined: another program creates them. */
  readonly homesFolder?: string
  /** Where the usage of running attempts is read. */
  readonly usage: KubernetesConfig['usage']
  /** Bytes of output that are stored of an attempt. @defaultValue 67108864 (64 MiB) */
  readonly logLimitBytes?: number
  /** Logs that are followed at once; the others are fetched every ten seconds. @defaultValue 200 */
  readonly followedLogs?: number
  /** Seconds from one listing of the cluster to the next. @defaultValue 10 */
  readonly listSeconds?: number
  readonly log: Logger
}
