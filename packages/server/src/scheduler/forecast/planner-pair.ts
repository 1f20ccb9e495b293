import type { ActiveJob, PlannerEvent, PlanNode, QueuedJob, Snapshot } from '../cache/snapshot.ts'
import { Planner } from '../planner/planner.ts'

/** A plan starts at most so many jobs, so that a cycle stays short; the next plan goes on. */
export const placementsPerPlan = 500

/**
 * The planner that decides, and the one that forecasts. They differ only on nodes that accept more than they run at once and queue
 * the rest themselves (`PlanNode.largestJob`): there a forecast takes the nodes as they run jobs, and jobs that have not begun as
 * waiting. Without such nodes both are one.
 */
export class PlannerPair {
  readonly deciding: Planner
  #forecasting: Planner | undefined

  constructor(snapshot: Snapshot) {
    this.deciding = new Planner(snapshot)
    if (Iterator.from(this.deciding.snapshot().nodes).some(queuesJobs)) this.#split()
  }

  get forecasting(): Planner {
    return this.#forecasting ?? this.deciding
  }

  /** Whether a placed job may still wait in its node's own queue. */
  get nodesQueueJobs(): boolean {
    return this.#forecasting !== undefined
  }

  apply(event: PlannerEvent): void {
    this.deciding.apply(event)
    if (this.#forecasting !== undefined) this.#forecasting.apply(eventAsRun(event))
    else if (event.type === 'node' && queuesJobs(event.node)) this.#split()
  }

  #split(): void {
    this.#forecasting = new Planner(snapshotAsRun(this.deciding.snapshot()))
  }
}

const queuesJobs = ({ largestJob }: PlanNode): boolean => largestJob !== undefined

/** A snapshot with nodes as they run jobs, and jobs that their node has not begun to run as waiting. */
function snapshotAsRun(snapshot: Snapshot): Snapshot {
  const active = [...snapshot.active]
  return {
    ...snapshot,
    nodes: Iterator.from(snapshot.nodes).map(nodeAsRun),
    queued: [...snapshot.queued, ...active.filter(({ isStarting }) => isStarting === true).map(jobAsQueued)],
    active: active.filter(({ isStarting }) => isStarting !== true).map(jobAsRun),
    reservations: [],
  }
}

function eventAsRun(event: PlannerEvent): PlannerEvent {
  if (event.type === 'node') return { type: 'node', node: nodeAsRun(event.node) }
  if (event.type !== 'placed') return event
  const { job } = event
  return job.isStarting === true ? { type: 'queued', job: jobAsQueued(job) } : { type: 'placed', job: jobAsRun(job) }
}

const nodeAsRun = (node: PlanNode): PlanNode => ({ ...node, ...node.largestJob })

const jobAsRun = (job: ActiveJob): ActiveJob => ({ ...job, placedAt: job.startedAt ?? job.placedAt })

function jobAsQueued({ node: _, placedAt: _placedAt, isStarting: _isStarting, ...job }: ActiveJob): QueuedJob {
  return job
}
