import type { Capacity } from '../../job/resources.ts'
import { aheadOf } from './ahead.ts'
import { runCycle } from './cycle.ts'
import type { Entry } from '../cache/lane.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { Counterfactual, Modification } from '../explain/counterfactuals.ts'
import { submittedWith } from '../explain/counterfactuals.ts'
import { QueueState } from '../cache/queue-state.ts'
import { type Sample, sampleOf, type SampleSize } from '../forecast/sample.ts'
import { classOf, type JobClass } from '../rules/job-class.ts'
import type { QuotaHolderName } from '../rules/quota-holder-name.ts'
import { LimitReservations } from './reservations.ts'
import { capacityOf, largestOf } from '../rules/size.ts'
import type { Ahead, Plan, PlannerEvent, Priority, Reason, Reservation, Snapshot } from '../cache/snapshot.ts'
import { withTemporaryJob } from './temporary-job.ts'
import { type LastDecision, reasonOf } from './waiting-reason.ts'
import { counterfactualsOf, whatIf } from './what-if.ts'

/**
 * Decides which waiting jobs start where, and why the others wait. It keeps its state between plans: events change it, each plan
 * decides afresh. It reads no clock and acts on nothing; a placement becomes true when the planner receives it as an event.
 */
export class Planner {
  #state: QueueState
  #last: LastDecision = {
    placed: new Map(),
    nodeReservations: new Map(),
    limitReservations: new LimitReservations(),
    isCut: false,
  }

  /** @param offPeak - The policy's off-peak hours, where the caller has them already. */
  constructor(snapshot: Snapshot, offPeak?: OffPeakHours) {
    this.#state = new QueueState(snapshot, offPeak)
  }

  /** Applies a change. */
  apply(event: PlannerEvent): void {
    if (event.type === 'policy') this.#state = new QueueState({ ...this.#state.snapshot(), policy: event.policy })
    else this.#state.apply(event)
  }

  /**
   * What to do now.
   * @param mostPlacements - How many jobs it starts at most.
   */
  plan(now: number, mostPlacements = Infinity): Plan {
    const state = this.#state
    state.advance(now)
    const { placed, nextReservable, ...decision } = runCycle(state, now, mostPlacements)
    this.#last = { ...decision, placed: new Map(placed.map(({ entry, node }) => [entry.job.id, node.name])) }
    const reservations = [...state.reservations.values()]
    const instants = [
      state.nextStart(),
      nextReservable,
      state.offPeak?.nextEdge(now),
      ...reservations.map(({ at }) => at + 1),
    ]
    const again = instants.filter((at) => at !== undefined && at > now) as number[]
    return {
      placements: placed.map(({ entry, node }) => ({ job: entry.job, node: node.name })),
      reservations,
      again: decision.isCut ? now : again.length === 0 ? undefined : Math.min(...again),
      reasonOf: (jobId) => this.reasonOf(jobId, now),
    }
  }

  /** Replaces the reservations of the last plan by those of another planner's. */
  setReservations(reservations: readonly Reservation[]): void {
    this.#state.setReservations(reservations)
  }

  /** Why a job waits; undefined where it does not. By the last plan and the events since. */
  reasonOf(jobId: string, now: number): Reason | undefined {
    return reasonOf(jobId, this.#state, this.#last, now)
  }

  /** The terms of a job's place in the order, as if its `--after` had come; undefined where it does not wait. */
  priorityOf(jobId: string, now: number): Priority | undefined {
    return this.#ofEntry(jobId, now, (entry) => entry.lane.group.priorityOf(entry, now))
  }

  /** The jobs that go before one, as if its hours and its `--after` had come; undefined where it does not wait. */
  ahead(jobId: string, now: number): Ahead | undefined {
    return this.#ofEntry(jobId, now, (entry) => aheadOf(entry, this.#state, now))
  }

  /** A waiting job never starts before this instant: because of its `--after`, and of its hours. */
  earliestStart(jobId: string, now: number): number {
    const job = this.#state.queuedJob(jobId)
    const due = Math.max(now, job?.notBefore ?? 0)
    return (job?.offPeak === true ? this.#state.offPeak?.nextOpening(due) : undefined) ?? due
  }

  /** How many jobs wait, by class; those whose `--after` has not come among them. */
  waiting(): Record<JobClass, number> {
    const state = this.#state
    state.settle()
    const counts = { small: 0, normal: 0, large: 0 }
    for (const { shape, lanes } of state.groups.values())
      counts[classOf(shape.needs, state.policy)] += lanes.reduce((sum, lane) => sum + lane.size, 0)
    for (const { needs } of state.later()) counts[classOf(needs, state.policy)]++
    return counts
  }

  /** How many jobs of a user, or charged to a group, wait. */
  queuedCount({ kind, name }: QuotaHolderName): number {
    const state = this.#state
    state.settle()
    let count = 0
    for (const { association, lanes } of state.groups.values())
      if (association[kind]?.name === name) count += lanes.reduce((sum, lane) => sum + lane.size, 0)
    for (const job of state.later()) if (job[kind] === name) count++
    return count
  }

  /** The policy's off-peak hours. */
  get offPeak(): OffPeakHours | undefined {
    return this.#state.offPeak
  }

  /** How many jobs wait. */
  get queueLength(): number {
    return this.#state.queueLength
  }

  /** What is free on single nodes: where the most cores are, and where others have more memory or GPUs, there too. */
  largestFree(): readonly Capacity[] {
    return largestOf([...this.#state.nodes.values()].map(({ free }) => free)).map(capacityOf)
  }

  /** The node on which a waiting job would start now if it were submitted again with a modification; undefined: on none. */
  whatIf(jobId: string, modification: Modification, now: number): string | undefined {
    const job = this.#state.queuedJob(jobId)
    return job && whatIf(job, modification, this.#state, now)
  }

  /**
   * With which modifications a waiting job would start now.
   * @param suits - Whether a modification leaves the job what it needs.
   */
  counterfactuals(
    jobId: string,
    now: number,
    suits: (modification: Modification) => boolean = () => true,
  ): readonly Counterfactual[] {
    const job = this.#state.queuedJob(jobId)
    if (job === undefined || this.#last.placed.has(jobId)) return []
    return counterfactualsOf(job, this.#state, this.#last.nodeReservations, suits, now)
  }

  /** What a forecast of a job's start simulates; undefined where the job does not wait. */
  sample(jobId: string, size: SampleSize, now: number, random: () => number): Sample | undefined {
    const job = this.#state.queuedJob(jobId)
    return job && sampleOf(this.#state, job, size, now, random)
  }

  /** The state as a snapshot: a planner made of it decides as this one does. */
  snapshot(): Snapshot {
    return this.#state.snapshot()
  }

  /** The same, which later events do not change. */
  copiedSnapshot(): Snapshot {
    return this.#state.copiedSnapshot()
  }

  /** The reservations of the last plan. */
  reservations(): readonly Reservation[] {
    return [...this.#state.reservations.values()]
  }

  /** Reads something of a waiting job's entry, with lanes and shares up to date; where its `--after` has not come, as if it came now. */
  #ofEntry<T>(jobId: string, now: number, read: (entry: Entry) => T): T | undefined {
    const state = this.#state
    const readEntry = (): T | undefined => {
      const entry = state.entries.get(jobId)
      if (entry === undefined) return undefined
      state.settle()
      state.ledger.share(now, state.capacity / 100)
      return read(entry)
    }
    const later = state.laterJob(jobId)
    if (later === undefined) return readEntry()
    return withTemporaryJob(state, later, submittedWith(later, { atOnce: true }, now), readEntry)
  }
}

/** Decides once: the plan of a planner made of this snapshot. */
export const planOnce = (snapshot: Snapshot): Plan => new Planner(snapshot).plan(snapshot.now)
