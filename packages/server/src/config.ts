import type { Network } from '@science-platform/contract'
import type { Policy } from './scheduler/snapshot.ts'

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
  readonly executor: 'oci'
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
    /** How long the audit trail is kept. */
    readonly auditDays: number
  }
}
