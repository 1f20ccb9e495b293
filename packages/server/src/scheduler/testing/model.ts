import { laneOf } from '../cache/lane.ts'
import { shapeKey } from '../cache/shape.ts'
import type {
  ActiveJob,
  Plan,
  PlannerEvent,
  PlanNode,
  QueuedJob,
  Reservation,
  Snapshot,
  Usage,
} from '../cache/snapshot.ts'

/** The state that a planner should have, kept in the simplest way: its snapshot is the planner's. */
export class Model {
  #base: Snapshot
  readonly #nodes: Map<string, PlanNode>
  readonly #queued: Map<string, QueuedJob>
  readonly #active: Map<string, ActiveJob>
  readonly #usage: Map<string, Usage>
  readonly #served: Map<string, number>
  #reservations: readonly Reservation[]

  constructor(snapshot: Snapshot) {
    this.#base = snapshot
    this.#nodes = new Map(Iterator.from(snapshot.nodes).map((node) => [node.name, node]))
    this.#queued = new Map(Iterator.from(snapshot.queued).map((job) => [job.id, job]))
    this.#active = new Map(Iterator.from(snapshot.active).map((job) => [job.id, job]))
    this.#usage = new Map(Iterator.from(snapshot.usage).map((usage) => [keyOf(usage), usage]))
    this.#served = new Map(snapshot.served)
    this.#reservations = [...snapshot.reservations]
  }

  apply(event: PlannerEvent): void {
    switch (event.type) {
      case 'queued': {
        const { id, needs } = event.job
        const known = this.#queued.get(id)
        const before = this.#reservations
        this.#drop(id)
        if (known !== undefined && shapeKey(known.needs) === shapeKey(needs)) this.#reservations = before
        this.#queued.set(id, event.job)
        break
      }
      case 'placed': {
        const known = this.#queued.get(event.job.id) ?? event.job
        const key = laneOf(known).key
        this.#drop(event.job.id)
        this.#active.set(event.job.id, event.job)
        this.#served.set(key, Math.max(event.job.placedAt, this.#served.get(key) ?? 0))
        break
      }
      case 'gone':
        this.#drop(event.id)
        break
      case 'usage':
        this.#usage.set(keyOf(event.usage), event.usage)
        break
      case 'node':
        this.#nodes.set(event.node.name, event.node)
        break
      case 'nodeGone':
        this.#nodes.delete(event.name)
        break
      case 'served':
        this.#served.set(event.lane, Math.max(event.at, this.#served.get(event.lane) ?? 0))
        break
      case 'user':
        this.#base = { ...this.#base, users: withSettings(this.#base.users, event) }
        break
      case 'group':
        this.#base = { ...this.#base, groups: withSettings(this.#base.groups, event) }
        break
      case 'policy':
        this.#base = { ...this.#base, policy: event.policy }
        break
    }
  }

  /** The next plan has the reservations of this one. */
  planned(plan: Plan): void {
    this.#reservations = plan.reservations
  }

  active(): readonly ActiveJob[] {
    return [...this.#active.values()]
  }

  queued(): readonly QueuedJob[] {
    return [...this.#queued.values()]
  }

  nodes(): readonly PlanNode[] {
    return [...this.#nodes.values()]
  }

  /** @param arrange - Puts rows in another sequence. */
  snapshot(now: number, arrange: <T>(rows: readonly T[]) => readonly T[] = (rows) => rows): Snapshot {
    return {
      ...this.#base,
      now,
      nodes: arrange([...this.#nodes.values()]),
      queued: arrange([...this.#queued.values()]),
      active: arrange([...this.#active.values()]),
      usage: arrange([...this.#usage.values()]),
      served: new Map(arrange([...this.#served])),
      reservations: this.#reservations,
    }
  }

  #drop(id: string): void {
    this.#queued.delete(id)
    this.#active.delete(id)
    this.#reservations = this.#reservations.filter(({ jobId }) => jobId !== id)
  }
}

const keyOf = ({ user, group }: Usage): string => `${user} ${group ?? ''}`

function withSettings(all: Snapshot['users'], { name, settings }: Extract<PlannerEvent, { type: 'user' | 'group' }>) {
  const next = new Map(all)
  if (settings === undefined) next.delete(name)
  else next.set(name, settings)
  return next
}
