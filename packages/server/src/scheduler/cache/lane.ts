import type { Association } from './ledger.ts'
import { type Shape, shapeKey } from './shape.ts'
import { countBefore } from '../../lib/sorted.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import { classOf } from '../rules/job-class.ts'
import type { PlannedJob, Priority, QueuedJob } from './snapshot.ts'

const hourMs = 3_600_000

/** A job in a lane. */
export interface Entry {
  readonly job: QueuedJob
  readonly lane: Lane
  /** From when it may start, and from when its age counts. */
  readonly since: number
  isGone: boolean
}

/** What the jobs of a lane have in common besides user, group and size. */
export interface LaneKind {
  /** How long backfill trusts them to run, in seconds. */
  readonly trustedSeconds: number
  /** When they are ended at the latest. */
  readonly limitSeconds: number
  readonly offPeak: boolean
}

/**
 * Waiting jobs of one association with the same size, trusted run time, limit and window. Time does not change their order: the
 * earliest deadline (`by`) first, then first come, first served. So a cycle compares only the first of each lane.
 */
export class Lane implements LaneKind {
  readonly key: string
  readonly trustedSeconds: number
  readonly limitSeconds: number
  readonly offPeak: boolean
  readonly group: LaneGroup
  /** When one of its jobs was last placed. */
  servedAt: number
  /** Number of its jobs. */
  size = 0
  /** As of when it was put in its group: since when the lane waits to be served, and the number of its first job. */
  since = 0
  seq = 0
  /** Its place in its group is up to date. */
  isSettled = false
  #entries: Entry[] = []
  #head = 0
  #isSorted = true
  /** Jobs in it with a deadline: they may stand before jobs that have waited longer. */
  #deadlines = 0
  /** The first entry that the current cycle has not placed. */
  #cursor = 0

  constructor(key: string, group: LaneGroup, kind: LaneKind, servedAt: number) {
    this.key = key
    this.group = group
    this.servedAt = servedAt
    this.trustedSeconds = kind.trustedSeconds
    this.limitSeconds = kind.limitSeconds
    this.offPeak = kind.offPeak
  }

  add(job: QueuedJob): Entry {
    const since = job.agesSince ?? Math.max(job.submittedAt, job.notBefore ?? 0)
    const entry = { job, lane: this, since, isGone: false }
    const last = this.#entries.at(-1)
    if (this.size > 0 && last !== undefined && inLaneOrder(entry, last) < 0) this.#isSorted = false
    if (job.by !== undefined) this.#deadlines++
    // A job at the end changes neither the first nor, unless it stands behind a deadline, since when the lane waits.
    const waitsLonger = this.#deadlines > 0 && entry.since < this.since
    if (this.size === 0 || !this.#isSorted || waitsLonger) this.isSettled = false
    this.#entries.push(entry)
    this.size++
    return entry
  }

  remove(entry: Entry): void {
    entry.isGone = true
    this.size--
    if (entry.job.by !== undefined) this.#deadlines--
    while (this.#head < this.#entries.length && this.#entries[this.#head]?.isGone === true) this.#head++
    // Entries of jobs that are gone are dropped when they are the majority.
    if (this.#entries.length > 2 * this.size + 32) {
      this.#entries = this.#entries.filter(({ isGone }) => !isGone)
      this.#head = 0
    }
  }

  /** Before a cycle: the cycle begins with the lane's first job. */
  rewind(): Entry | undefined {
    if (!this.#isSorted) {
      this.#entries = this.#entries
        .slice(this.#head)
        .filter(({ isGone }) => !isGone)
        .toSorted(inLaneOrder)
      this.#head = 0
      this.#isSorted = true
    }
    this.#cursor = this.#head
    return this.first()
  }

  /** The first job that the current cycle has not placed. */
  first(): Entry | undefined {
    while (this.#entries[this.#cursor]?.isGone === true) this.#cursor++
    return this.#entries[this.#cursor]
  }

  /** The cycle has placed the first. */
  advance(): void {
    this.#cursor++
  }

  /** Its jobs in order: about one in `every`, beginning with the job at place `first`. */
  *sample(every: number, first: number): Iterable<QueuedJob> {
    // The array still has entries of jobs that are gone.
    const stride = (every * (this.#entries.length - this.#head)) / Math.max(1, this.size)
    for (let place = this.#head + first; place < this.#entries.length; place += stride) {
      const entry = this.#entries[Math.floor(place)] as Entry
      if (!entry.isGone) yield entry.job
    }
  }

  /** Number of its jobs that were submitted before. */
  countSubmittedBefore(seq: number): number {
    return this.#count(({ job }) => job.seq < seq)
  }

  /** Number of its jobs that stand before this one. */
  countBefore(entry: Entry): number {
    return this.#count((other) => inLaneOrder(other, entry) < 0)
  }

  /** Since when the first job waits, or one that it stands before for its deadline: what the lane's place in its group goes by. */
  waitsSince(first: Entry): number {
    let { since } = first
    if (this.#deadlines > 0)
      for (let i = this.#head; i < this.#entries.length; i++) {
        const entry = this.#entries[i] as Entry
        if (!entry.isGone && entry.since < since) since = entry.since
      }
    return Math.max(since, this.servedAt)
  }

  /** Hours that a job has waited, or the lane where it is the first: as of when it was put in its group. */
  ageHours(entry: Entry, now: number): number {
    return ageHours(entry === this.first() ? this.since : Math.max(entry.since, this.servedAt), now)
  }

  #count(isCounted: (entry: Entry) => boolean): number {
    let count = 0
    for (let i = this.#head; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry
      if (!entry.isGone && isCounted(entry)) count++
    }
    return count
  }
}

/**
 * Lanes that differ only in their jobs' run times. The lane that has waited longest goes first at any time, so a cycle compares
 * only that one with other groups.
 */
export class LaneGroup {
  readonly key: string
  readonly association: Association
  readonly shape: Shape
  readonly offPeak: boolean
  /** The lane that has waited longest first. */
  readonly lanes: Lane[] = []
  /** Of the first lane. A copy, since every cycle reads it of every group. */
  since = 0
  seq = 0
  readonly #classPoints: number
  readonly #policy: Policy

  constructor(key: string, association: Association, shape: Shape, offPeak: boolean, policy: Policy) {
    this.key = key
    this.association = association
    this.shape = shape
    this.offPeak = offPeak
    this.#policy = policy
    this.#classPoints = policy.points.class[classOf(shape.needs, policy)]
  }

  /** Removes a lane, before {@link put} inserts it at its new place. */
  drop(lane: Lane): void {
    const place = this.lanes.indexOf(lane)
    if (place === -1) return
    this.lanes.splice(place, 1)
    this.#copyFirst()
  }

  /** Inserts a lane at its place, or leaves it out where it is empty. */
  put(lane: Lane): void {
    const first = lane.rewind()
    if (first === undefined) return
    lane.since = lane.waitsSince(first)
    lane.seq = first.job.seq
    const place = countBefore(
      this.lanes,
      ({ since, seq }) => since < lane.since || (since === lane.since && seq < lane.seq),
    )
    this.lanes.splice(place, 0, lane)
    this.#copyFirst()
  }

  #copyFirst(): void {
    this.since = this.lanes[0]?.since ?? 0
    this.seq = this.lanes[0]?.seq ?? 0
  }

  /** Points except for age: those of a job of this group that has not waited. */
  pointsWithoutAge(): number {
    const { points } = this.#policy
    const { groupShare, userShare } = this.association
    return this.#classPoints + groupShare * points.groupShare + userShare * points.userShare
  }

  priorityOf(entry: Entry, now: number): Priority {
    const { points } = this.#policy
    const age = entry.lane.ageHours(entry, now)
    return {
      class: this.#classPoints,
      age,
      groupShare: this.association.groupShare * points.groupShare,
      userShare: this.association.userShare * points.userShare,
      total: this.pointsWithoutAge() + age,
    }
  }
}

/** Hours since then; none where the clock was set back. */
export const ageHours = (since: number, now: number): number => Math.max(0, now - since) / hourMs

function inLaneOrder(a: Entry, b: Entry): number {
  const [byA, byB] = [a.job.by ?? Infinity, b.job.by ?? Infinity]
  if (byA !== byB) return byA < byB ? -1 : 1
  return a.since - b.since || a.job.seq - b.job.seq
}

/** The lane that a job belongs in. */
export function laneOf(job: PlannedJob): LaneKind & { readonly key: string } {
  const { user, group = '', needs } = job
  const limitSeconds = runTimeStep(job.limitSeconds)
  const trustedSeconds = Math.min(limitSeconds, runTimeStep(job.trustedSeconds ?? job.limitSeconds))
  const offPeak = job.offPeak === true
  // One template, and only here: every job needs a key.
  const key = `${user}\n${group}\n${needs.cores} ${needs.memoryGb} ${needs.gpus} ${needs.gpuKind ?? ''}\n${trustedSeconds} ${limitSeconds} ${offPeak ? 'off-peak' : ''}`
  return { key, trustedSeconds, limitSeconds, offPeak }
}

/** The key of the group that a job's lane belongs in. */
export const laneGroupKey = ({ user, group = '', needs, offPeak }: PlannedJob): string =>
  `${user}\n${group}\n${shapeKey(needs)}\n${offPeak === true ? 'off-peak' : ''}`

/**
 * A run time, rounded up to the next of a row of steps, each a quarter longer than the one before: jobs with nearly the same run
 * time share a lane.
 */
export function runTimeStep(seconds: number): number {
  return runTimeSteps[countBefore(runTimeSteps, (step) => step < seconds)] ?? seconds
}

/** From a second to some years. */
const runTimeSteps = Array.from({ length: 84 }, (_, i) => Math.ceil(1.25 ** i))
