/**
 * What the planner reads and what it answers. All of it is plain data that a structured clone carries to a worker thread.
 * Instants are milliseconds since the epoch, durations seconds, capacity is in cores, GiB and GPUs, points of the order are
 * hours of waiting. `docs/queue.md` has the rules.
 */
import type { Policy, QuotaSettings } from '../../configuration/policy/policy.ts'
import type { Capacity } from '../../job/resources.ts'

/** What a job asks for. */
export interface Needs extends Capacity {
  /** Kind of GPU, as nodes name theirs. Left out: any kind. */
  readonly gpuKind?: string
}

/** A machine with capacity for jobs. It has GPUs of one kind. */
export interface PlanNode extends Capacity {
  readonly name: string
  readonly gpuKind?: string
  /** What the node runs at once, where it accepts more than that and queues the rest itself. */
  readonly largestJob?: Capacity
}

/** What the planner knows of every job, waiting or active. */
export interface PlannedJob {
  readonly id: string
  /** The user who submitted it and is charged for it. */
  readonly user: string
  /** The group that is charged. Left out: its user is charged as a group of one. */
  readonly group?: string
  readonly needs: Needs
  /** How long it is expected to run: three in four such jobs took no longer. The planner caps it by `limitSeconds`. */
  readonly estimateSeconds: number
  /** When it is ended at the latest after its start (`--time`). */
  readonly limitSeconds: number
  /**
   * Run times of earlier jobs with the same fingerprint, ascending, a few dozen at most; one array for all such jobs. Forecasts
   * draw from it. Left out: forecasts draw from `prior`, or from a spread around the estimate.
   */
  readonly history?: readonly number[]
  /** The same of jobs of its class, where nothing else is known of how long it runs. One array for all such jobs. */
  readonly prior?: readonly number[]
  /**
   * It ends within so many seconds with the policy's confidence: by then it may start before a reservation, whatever its limit. Left
   * out: its limit decides.
   */
  readonly trustedSeconds?: number
  /** It starts in off-peak hours only (`--when off-peak`). Where the policy has none, every hour is off-peak. */
  readonly offPeak?: true
  /** Its user wants it to have ended by then (`--by`): it stands before jobs of its lane with a later `by` or none. */
  readonly by?: number
}

/** A job that waits. The planner does not receive a held job until it is released. */
export interface QueuedJob extends PlannedJob {
  /** Order of submission; unique. The last tie-breaker. */
  readonly seq: number
  readonly submittedAt: number
  /** It does not start earlier: its `--after`, or the instant until which it was returned to the queue. */
  readonly notBefore?: number
  /** From when its age counts. @defaultValue the later of `submittedAt` and `notBefore` */
  readonly agesSince?: number
}

/** A job with an allocation: starting, running or stopping. */
export interface ActiveJob extends QueuedJob {
  readonly node: string
  /** When it was placed: from then on it has its allocation and is charged. */
  readonly placedAt: number
  /** Its node has not begun to run it. Matters on nodes that queue jobs themselves (`PlanNode.largestJob`). */
  readonly isStarting?: true
  /** When its node began to run it, where that is known. */
  readonly startedAt?: number
}

/**
 * Core-hours that a user was charged in the name of a group (or of none) up to the last ending, halved every half-life.
 * `usageAfter` (share.ts) gives the next one when a job ends; the store keeps it in the commit of the ending.
 */
export interface Usage {
  readonly user: string
  readonly group?: string
  /** Core-hours as they count at `at`. */
  readonly coreHours: number
  readonly at: number
}

/** All that a decision needs to know. Collections may come in any sequence. */
export interface Snapshot {
  readonly now: number
  readonly policy: Policy
  readonly nodes: Iterable<PlanNode>
  readonly queued: Iterable<QueuedJob>
  readonly active: Iterable<ActiveJob>
  readonly usage: Iterable<Usage>
  /** Users with settings of their own. */
  readonly users: ReadonlyMap<string, QuotaSettings>
  readonly groups: ReadonlyMap<string, QuotaSettings>
  /**
   * When a job of a lane (`laneOf(job).key`, lane.ts: user, group, size, run time, window) was last placed. Waiting counts
   * from then, so that a user's thousand jobs do not all grow old together. May be empty: what is missing is derived from
   * `active`, and the jobs of an unknown lane wait since their submission.
   */
  readonly served: ReadonlyMap<string, number>
  /** The reservations of the last plan. May be empty: then nodes are chosen afresh. */
  readonly reservations: Iterable<Reservation>
}

/** A snapshot of nothing but the rules. */
export const emptySnapshot = (now: number, policy: Policy): Snapshot => ({
  now,
  policy,
  nodes: [],
  queued: [],
  active: [],
  usage: [],
  users: new Map(),
  groups: new Map(),
  served: new Map(),
  reservations: [],
})

/** A change, for a planner that keeps its state. Each may be applied twice. */
export type PlannerEvent =
  /** The job waits; or, where it waited already, is now as given here. */
  | { readonly type: 'queued'; readonly job: QueuedJob }
  /** The job was placed: it waits no more, and has an allocation. */
  | { readonly type: 'placed'; readonly job: ActiveJob }
  /** The job neither waits nor has an allocation: ended, cancelled, held. Apply the new `usage` too where it was charged. */
  | { readonly type: 'gone'; readonly id: string }
  | { readonly type: 'usage'; readonly usage: Usage }
  /** A node is there, or has changed. */
  | { readonly type: 'node'; readonly node: PlanNode }
  /** A node has vanished. Its jobs keep their part of the limits until `gone` comes for each. */
  | { readonly type: 'nodeGone'; readonly name: string }
  /** When a job of a lane was last placed, by {@link Snapshot.served}. Apply before the jobs of the lane. */
  | { readonly type: 'served'; readonly lane: string; readonly at: number }
  /** Undefined: nothing is set any more. */
  | { readonly type: 'user'; readonly name: string; readonly settings: QuotaSettings | undefined }
  | { readonly type: 'group'; readonly name: string; readonly settings: QuotaSettings | undefined }
  | { readonly type: 'policy'; readonly policy: Policy }

/**
 * A snapshot as events, for a planner that begins with {@link emptySnapshot} of the same instant and policy. Its reservations are not
 * among them. Lazy: each event is made when it is read.
 */
export function* eventsOf(snapshot: Snapshot): Generator<PlannerEvent, void> {
  for (const node of snapshot.nodes) yield { type: 'node', node }
  for (const [name, settings] of snapshot.users) yield { type: 'user', name, settings }
  for (const [name, settings] of snapshot.groups) yield { type: 'group', name, settings }
  for (const usage of snapshot.usage) yield { type: 'usage', usage }
  for (const [lane, at] of snapshot.served) yield { type: 'served', lane, at }
  for (const job of snapshot.active) yield { type: 'placed', job }
  for (const job of snapshot.queued) yield { type: 'queued', job }
}

/** A job and the node it is to start on. */
export interface Placement {
  readonly job: QueuedJob
  readonly node: string
}

/** Capacity kept for a job that is at the head of the order and finds no room. */
export interface Reservation {
  readonly jobId: string
  /** Left out: a limit has no room, and the job's part of the limit is reserved. */
  readonly node?: string
  /** Expected start: by then enough allocations of the node, or under the limit, are expected to have ended. */
  readonly at: number
  /** When the reservation was made. */
  readonly madeAt: number
  /** The expected start at that time. The planner gives a reservation up when `at` slips by more than the policy's delay. */
  readonly firstAt: number
}

/** The terms of a job's place in the order: points, one for an hour of waiting. More is earlier. */
export interface Priority {
  readonly class: number
  /** Hours since its `agesSince`, or the last start of a job of its lane: the later. */
  readonly age: number
  /** All of the policy's points where the group has used nothing lately, half where it has used its part, and so on. */
  readonly groupShare: number
  /** The same for the user within the group. */
  readonly userShare: number
  readonly total: number
}

/** Whose limit a job meets, and what the limit is on. */
export interface LimitHit {
  readonly holder: 'user' | 'group'
  readonly name: string
  readonly on: 'cores' | 'memoryGb' | 'gpus' | 'running'
  readonly limit: number
  readonly allocated: number
  /** Of the limit, what is reserved for jobs of this quota holder that are ahead. */
  readonly reserved?: number
  readonly asks: number
  /** The limit is larger in off-peak hours, which begin then. */
  readonly larger?: { readonly limit: number; readonly at: number }
}

/** Why a job waits. `reasonText` (reason-text.ts) has the sentences. */
export type Reason =
  /** This plan places it. */
  | { readonly kind: 'placed'; readonly node: string }
  /** Its `notBefore` has not come. */
  | { readonly kind: 'not-before'; readonly at: number }
  /** It waits for off-peak hours. Undefined: they never come. */
  | { readonly kind: 'window'; readonly opensAt: number | undefined }
  | ({ readonly kind: 'limit' } & LimitHit)
  /** No node that is there could hold it even when empty. */
  | { readonly kind: 'no-node'; readonly asks: Needs; readonly largest: Capacity | undefined }
  /** It is at the head and has a reservation. */
  | { readonly kind: 'reservation'; readonly asks: Needs; readonly at: number; readonly node: string }
  /** Nodes that could hold it are busy. */
  | { readonly kind: 'resources'; readonly asks: Needs; readonly mostFree: Capacity; readonly ableNodes: number }
  /** A plan starts a limited number of jobs; the next plan goes on. */
  | { readonly kind: 'turn' }
  /** It would fit, but might delay a job that is ahead and has a reservation there. */
  | { readonly kind: 'backfill'; readonly reservedAt: number; readonly plannedSeconds: number }

/** What to do now. */
export interface Plan {
  /** In order. */
  readonly placements: readonly Placement[]
  readonly reservations: readonly Reservation[]
  /** When a plan may differ although nothing has happened: a `notBefore`, a window's edge, an estimate's end. */
  readonly again: number | undefined
  /** Why a job waits; undefined where it does not wait. As of this plan. */
  readonly reasonOf: (jobId: string) => Reason | undefined
}

/** Waiting jobs that go before one: how many, and what they ask for together. */
export interface Ahead extends Capacity {
  readonly jobs: number
}
