import type { Network, PlatformContext, QueueOverview, Why } from '@science-platform/contract'
import type { Logger } from 'pino'
import type { RegistryLogins } from '../../access/registry-logins.ts'
import type { ProjectFolders } from '../../access/project-folders.ts'
import type { TokenUse } from '../../access/token-use.ts'
import type { AuditTrail } from '../../audit/trail.ts'
import type { Config } from '../../configuration/config.ts'
import type { Executor } from '../../executor/executor.ts'
import type { Catalogue } from '../../image/catalogue/catalogue.ts'
import type { ImageReference } from '../../job/image-reference.ts'
import type { LocalImages } from '../../image/store/local-images.ts'
import type { Pulls } from '../../image/fetch/pulls.ts'
import type { StoredJob } from '../../job/job.ts'
import type { Capacity } from '../../job/resources.ts'
import type { Metrics } from '../../metrics/metrics.ts'
import type { ReadinessChecks } from './health.ts'
import type { Actions, JobWrites } from '../../actions/actions.ts'
import type { JobWatch } from '../../actions/job-watch.ts'
import type { ChangeLog } from '../../store/change-log.ts'
import type { Store, StoredAccount } from '../../store/store.ts'

/** What HTTP is built on. Each route takes of it what it uses. */
export interface Dependencies {
  /** Jobs are written by `actions` alone. */
  readonly store: Omit<Store, JobWrites>
  readonly actions: Actions
  readonly executor: Pick<Executor, 'usage' | 'logSize' | 'readLog' | 'followLog' | 'signal'>
  readonly images: Pick<LocalImages, 'list' | 'describe'>
  /** What the registries offer, as they said last. */
  readonly catalogue: Pick<Catalogue, 'registries'>
  /** Fetches beforehand; absent where the nodes fetch for themselves. */
  readonly pulls?: Pick<Pulls, 'begin' | 'find'>
  /** The change log of the store. */
  readonly changes: ChangeLog
  /** Wakes requests that wait for jobs. */
  readonly watch: Pick<JobWatch, 'watch'>
  readonly audit: AuditTrail
  readonly metrics: Metrics
  readonly readinessChecks: ReadinessChecks
  readonly config: Pick<Config, 'images' | 'limits' | 'policy' | 'retention' | 'trustedProxies'>
  readonly queue: QueueViews
  /** What may be asked for. */
  readonly context: () => PlatformContext
  /** The networks that a job may ask for. */
  readonly networks: readonly Network[]
  /** What all nodes offer together, and the largest one alone. */
  readonly capacity: () => Capacity & { readonly largest: { readonly cores: number; readonly memoryGb: number } }
  /** Parses an image reference. @throws {InvalidRequest} where the text is none, or the image is not allowed. */
  readonly checkImage: (reference: string) => ImageReference
  /** Users' credentials for registries. */
  readonly logins: RegistryLogins
  /** The token that a job carries. */
  readonly jobToken: (jobId: string) => string
  /** Notes which tokens are used. */
  readonly tokenUse: Pick<TokenUse, 'note'>
  /** The directories of projects. */
  readonly projects: ProjectFolders
  /** Ends the jobs of users who are disabled and were to have them cancelled; fulfilled when each was asked to end. */
  readonly cancelJobsOfDisabled: () => Promise<void>
  /** How the cluster reaches this server: scheme, host and port, without trailing slash. Never taken from a request. */
  readonly publicUrl: () => string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Logger
}

/** What HTTP shows of the queue. */
export interface QueueViews {
  /** Fulfilled when the queue knows everything that is committed by now. */
  readonly caughtUp: () => Promise<void>
  /** Why a job waits, in words for its owner; undefined where it does not wait. */
  readonly reason: (job: StoredJob) => string | undefined
  /** The same at length. */
  readonly why: (job: StoredJob) => Promise<Why>
  /** The queue as a whole, and what of it a user and their groups have. */
  readonly overview: (account: StoredAccount) => Promise<QueueOverview>
  /** In use by jobs that start, run or stop. */
  readonly allocated: () => Capacity
}
