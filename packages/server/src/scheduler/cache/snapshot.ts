/**
 * What the planner is told and what it answers. Instants are milliseconds since the epoch, durations seconds, capacity is
 * in cores, gibibytes and GPUs, points of the order are hours of waiting. `docs/queue.md` has the rules.
 */
import type { Holder, Policy } from '../../configuration/policy/policy.ts'
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
}

/** What the planner knows of every job, waiting or running. */
export interface PlannedJob {
  readonly id: string
  /** Who submitted it and is charged for it. */
  readonly user: string
  /** The group that is charged. Left out: its user is charged as a group of one. */
  readonly group?: string
  readonly needs: Needs
  /** How long it is expected to run: from history, else the limit. The planner caps it by `limitSeconds`. */
  readonly estimateSeconds: number
  /** When it is ended at the latest after its start (`--time`). */
  readonly limitSeconds: number
  /**
   * Run times of what ran like it, ascending, a few dozen at most; one array for all jobs alike. What the simulation
   * draws from; left out: it makes up a spread around the estimate.
   */
  readonly history?: readonly number[]
  /** It starts in off-peak hours only (`--when off-peak`). Where the policy has none, every hour is off-peak. */
  readonly offPeak?: true
  /** Its user wants it to have ended by then (`--by`): it stands before jobs of its lane with a later `by` or none. */
  readonly by?: number
}

/** A job that waits. A held job is not told to the planner until it is released. */
export interface QueuedJob extends PlannedJob {
  /** Order of submission; unique. The last tie-breaker. */
  readonly seq: number
  readonly submittedAt: number
  /** It does not start earlier (`--after`). */
  readonly notBefore?: number
}

/** A job that holds capacity: starting, running or stopping. */
export interface ActiveJob extends PlannedJob {
  readonly node: string
  /** When it was placed: from then on it holds capacity and is charged. */
  readonly placedAt: number
}

/**
 * What a user has used in the name of a group (or of nobody) up to the last ending: core-hours, halved every half-life.
 * `chargedSince` (usage.ts) gives the next one when a job ends; the store keeps it in the commit of the ending.
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
  /** Users for whom something is set. */
  readonly users: ReadonlyMap<string, Holder>
  readonly groups: ReadonlyMap<string, Holder>
  /**
   * When a job of a lane (`laneOf(job, policy).key`, lane.ts: user, group, size, run time, window) was last placed. Waiting counts
   * from then, so that a user's thousand jobs do not all grow old together. May be empty: what is missing is made up from
   * `active`, and the jobs of a lane of which nothing is known wait since their submission.
   */
  readonly served: ReadonlyMap<string, number>
  /** What the last plan promised. May be empty: then nodes are chosen afresh. */
  readonly reservations: Iterable<Reservation>
}

/** A snapshot in which nothing is known but the rules. */
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

/** What happened, for a planner that keeps its state. Each may be told twice. */
export type PlannerEvent =
  /** It waits; or, where it waited already, is now as it is here. */
  | { readonly type: 'queued'; readonly job: QueuedJob }
  /** It was placed: it waits no more, and holds capacity. */
  | { readonly type: 'placed'; readonly job: ActiveJob }
  /** It neither waits nor holds anything: ended, cancelled, held. Tell the new `usage` too where it was charged. */
  | { readonly type: 'gone'; readonly id: string }
  | { readonly type: 'usage'; readonly usage: Usage }
  /** A node is there, or has changed. */
  | { readonly type: 'node'; readonly node: PlanNode }
  /** Its jobs are gone when they are told to be. */
  | { readonly type: 'nodeGone'; readonly name: string }
  /** Undefined: nothing is set any more. */
  | { readonly type: 'user'; readonly name: string; readonly holder: Holder | undefined }
  | { readonly type: 'group'; readonly name: string; readonly holder: Holder | undefined }
  | { readonly type: 'policy'; readonly policy: Policy }

/** A job and the node it is to start on. */
export interface Placement {
  readonly job: QueuedJob
  readonly node: string
}

/** What is kept for a job that is at the head and finds no room. */
export interface Reservation {
  readonly jobId: string
  /** Left out: what has no room is a limit, and of that its part is kept. */
  readonly node?: string
  /** When it is expected to start: enough of what runs there, or of what is held of the limit, has ended by then, as estimated. */
  readonly at: number
  /** When this was chosen, and the start that was promised then. Given up when `at` slips by more than the policy's delay. */
  readonly madeAt: number
  readonly promisedAt: number
}

/** What makes up a job's place in the order: points, of which one is worth an hour of waiting. More is earlier. */
export interface Priority {
  readonly class: number
  /** Hours since its submission, its `notBefore`, or the last start of a job of its lane: the latest. */
  readonly age: number
  /** All of the policy's points where the group has used nothing lately, half where it has used its part, and so on. */
  readonly groupShare: number
  /** The same for the user within the group. */
  readonly userShare: number
  readonly total: number
}

/** Whose limit, and what it is on. */
export interface LimitHit {
  readonly holder: 'user' | 'group'
  readonly name: string
  readonly on: 'cores' | 'memoryGb' | 'gpus' | 'running'
  readonly limit: number
  readonly held: number
  /** Of the limit, what is kept for jobs of this holder that are ahead. */
  readonly kept?: number
  readonly asks: number
  /** The limit is another in off-peak hours, which begin then. */
  readonly larger?: { readonly limit: number; readonly at: number }
}

/** Why a job waits. `words` (words.ts) says it to a person. */
export type Reason =
  /** Nothing is in its way: it is placed by this plan. */
  | { readonly kind: 'placed'; readonly node: string }
  /** Its `--after` has not come. */
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
  /** A plan starts only so many at once; it goes on with the next. */
  | { readonly kind: 'turn' }
  /** It would fit, and might delay a job that is ahead and has a reservation there. */
  | { readonly kind: 'backfill'; readonly reservedAt: number; readonly plannedSeconds: number }

/** What to do now. */
export interface Plan {
  /** In order. */
  readonly placements: readonly Placement[]
  readonly reservations: readonly Reservation[]
  /** When a plan may come out otherwise although nothing has happened: a `notBefore`, a window's edge, an estimate's end. */
  readonly again: number | undefined
  /** Why a job waits; undefined where it does not wait. As of this plan. */
  readonly reasonOf: (jobId: string) => Reason | undefined
}

/** Waiting jobs that go before one: how many, and what they ask for together. */
export interface Ahead extends Capacity {
  readonly jobs: number
}
