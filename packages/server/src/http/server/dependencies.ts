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
import type { Notices, ReadinessChecks } from './health.ts'
import type { Actions, JobWrites } from '../../actions/actions.ts'
import type { JobWatch } from '../../actions/job-watch.ts'
import type { ChangeLog } from '../../store/change-log.ts'
import type { Store, StoredAccount } from '../../store/store.ts'

/** The dependencies of HTTP. Each route takes those that it uses. */
export interface Dependencies {
  /** Only `actions` writes jobs. */
  readonly store: Omit<Store, JobWrites>
  readonly actions: Actions
  readonly executor: Pick<
    Executor,
    'usage' | 'logSize' | 'readLog' | 'followLog' | 'output' | 'readOutput' | 'followOutput' | 'signal' | 'arc'
  >
  readonly images: Pick<LocalImages, 'list' | 'describe'>
  /** The images that the registries offer, as last listed. */
  readonly catalogue: Pick<Catalogue, 'registries'>
  /** Pulls images ahead of jobs. Absent where the nodes pull images themselves. */
  readonly pulls?: Pick<Pulls, 'begin' | 'find'>
  /** The change log of the store. */
  readonly changes: ChangeLog
  /** Wakes requests that wait for jobs. */
  readonly watch: Pick<JobWatch, 'watch' | 'watchAny'>
  readonly audit: AuditTrail
  readonly metrics: Metrics
  readonly readinessChecks: ReadinessChecks
  readonly notices: Notices
  readonly config: Pick<Config, 'images' | 'limits' | 'policy' | 'retention' | 'trustedProxies'>
  readonly queue: QueueViews
  /** The limits against which requests are validated. */
  readonly context: () => PlatformContext
  /** The networks that a job may request. */
  readonly networks: readonly Network[]
  /** The total capacity of all nodes, and the capacity of the largest node. */
  readonly capacity: () => Capacity & { readonly largest: { readonly cores: number; readonly memoryGb: number } }
  /** Parses an image reference. @throws {InvalidRequest} where the text is no reference, or the image is not allowed. */
  readonly checkImage: (reference: string) => ImageReference
  /** Users' credentials for registries. */
  readonly logins: RegistryLogins
  /** The token that a job carries. */
  readonly jobToken: (jobId: string) => string
  /** Records the use of tokens. */
  readonly tokenUse: Pick<TokenUse, 'note'>
  /** The directories of projects. */
  readonly projects: ProjectFolders
  /** Cancels the jobs of users who were disabled with that option. Fulfilled when every cancel is stored. */
  readonly cancelJobsOfDisabled: () => Promise<void>
  /**
   * The URL by which the cluster reaches this server: scheme, host and port, without trailing slash. Never taken from a request.
   */
  readonly publicUrl: () => string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Logger
}

/** The queue as HTTP shows it. */
export interface QueueViews {
  /**
   * Fulfilled when the queue includes everything committed so far. Tasks of large arrays may follow within a second, but those of `jobs`
   * are there.
   */
  readonly caughtUp: (jobs?: readonly StoredJob[]) => Promise<void>
  /** The reason text of a waiting job; undefined where the job does not wait. */
  readonly reason: (job: StoredJob) => string | undefined
  /** The full explanation of why a job waits, for a user. @throws {TooManyQuestions} {@link AnswerUnavailable} */
  readonly why: (job: StoredJob, caller: string) => Promise<Why>
  /** The whole queue, and the part of a user and their groups. @throws {TooManyQuestions} {@link AnswerUnavailable} */
  readonly overview: (account: StoredAccount) => Promise<QueueOverview>
  /** Capacity allocated to jobs that start, run or stop. */
  readonly allocated: () => Capacity
}
