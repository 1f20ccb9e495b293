import type { Account } from './ledger.ts'
import { countBefore } from '../../lib/sorted.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { Needs, PlannedJob, Priority, QueuedJob } from './snapshot.ts'
import { sizeOfRequest, type Size } from '../rules/size.ts'

const hourMs = 3_600_000

/** What jobs may ask for alike: whether one of them fits is found out once for all. */
export class Shape {
  readonly needs: Needs
  readonly size: Size
  readonly gpuKind: string | undefined
  /** Groups of lanes with such jobs. */
  groups = 0
  /** How many nodes could hold such a job, as of that version of the nodes. */
  ableNodes = 0
  ableAsOf = 0
  /** Number of the cycle in which it was found to fit nowhere: capacity only shrinks within a cycle. */
  blockedIn = 0
  /** Candidates of it that are still to be looked at in this cycle. */
  toSee = 0

  constructor(needs: Needs) {
    this.needs = needs
    this.size = sizeOfRequest(needs)
    this.gpuKind = needs.gpus > 0 ? needs.gpuKind : undefined
  }
}

export const shapeKey = ({ cores, memoryGb, gpus, gpuKind }: Needs): string =>
  `${cores} ${memoryGb} ${gpus}${gpus > 0 && gpuKind !== undefined ? ` ${gpuKind}` : ''}`

/** A job in a lane. */
export interface Entry {
  readonly job: QueuedJob
  readonly lane: Lane
  /** From when it may start and grows old. */
  readonly since: number
  gone: boolean
}

/** What decides on a lane's jobs alike. */
export interface LaneKind {
  /** How long they are trusted to run, in seconds. */
  readonly plannedSeconds: number
  /** When they are ended at the latest. */
  readonly limitSeconds: number
  readonly offPeak: boolean
}

/**
 * Waiting jobs of one account that are alike in size, expected run time and window, in an order that time does not change: those
 * with the earliest deadline (`by`), then first come, first served. So only the first of each lane is compared with others'.
 */
export class Lane implements LaneKind {
  readonly key: string
  readonly plannedSeconds: number
  readonly limitSeconds: number
  readonly offPeak: boolean
  /** When one of its jobs was last placed. */
  servedAt: number
  /** Jobs in it. */
  size = 0
  /** As of when it was put in its group: since when it waits without being served, and the number of its first job. */
  since = 0
  seq = 0
  /** Its place in its group is right. */
  isSettled = false
  readonly group: LaneGroup
  #entries: Entry[] = []
  #head = 0
  #isSorted = true
  /** Jobs in it with a deadline: they may stand before jobs that have waited longer. */
  #deadlines = 0
  /** The first that the cycle under way has not placed. */
  #cursor = 0

  constructor(key: string, group: LaneGroup, kind: LaneKind, servedAt: number) {
    this.key = key
    this.group = group
    this.servedAt = servedAt
    this.plannedSeconds = kind.plannedSeconds
    this.limitSeconds = kind.limitSeconds
    this.offPeak = kind.offPeak
  }

  add(job: QueuedJob): Entry {
    const entry = { job, lane: this, since: Math.max(job.submittedAt, job.notBefore ?? 0), gone: false }
    const last = this.#entries.at(-1)
    if (this.size > 0 && last !== undefined && inLaneOrder(entry, last) < 0) this.#isSorted = false
    if (job.by !== undefined) this.#deadlines++
    // A job that comes last changes neither the first nor, unless it stands behind a deadline, since when the lane waits.
    const waitsLonger = this.#deadlines > 0 && entry.since < this.since
    if (this.size === 0 || !this.#isSorted || waitsLonger) this.isSettled = false
    this.#entries.push(entry)
    this.size++
    return entry
  }

  remove(entry: Entry): void {
    entry.gone = true
    this.size--
    if (entry.job.by !== undefined) this.#deadlines--
    while (this.#head < this.#entries.length && this.#entries[this.#head]?.gone === true) this.#head++
    // Entries that are gone are let go when they are most.
    if (this.#entries.length > 2 * this.size + 32) {
      this.#entries = this.#entries.filter(({ gone }) => !gone)
      this.#head = 0
    }
  }

  /** Before a cycle. The first job is its first again. */
  rewind(): Entry | undefined {
    if (!this.#isSorted) {
      this.#entries = this.#entries
        .slice(this.#head)
        .filter(({ gone }) => !gone)
        .toSorted(inLaneOrder)
      this.#head = 0
      this.#isSorted = true
    }
    this.#cursor = this.#head
    return this.first()
  }

  /** The first job that the cycle under way has not placed. */
  first(): Entry | undefined {
    while (this.#entries[this.#cursor]?.gone === true) this.#cursor++
    return this.#entries[this.#cursor]
  }

  /** The cycle has placed the first. */
  step(): void {
    this.#cursor++
  }

  /** Its jobs, in order: about one of every so many, beginning with that one. */
  *sample(every: number, first: number): Iterable<QueuedJob> {
    // Those that are gone are in the row still.
    const stride = (every * (this.#entries.length - this.#head)) / Math.max(1, this.size)
    for (let place = this.#head + first; place < this.#entries.length; place += stride) {
      const entry = this.#entries[Math.floor(place)] as Entry
      if (!entry.gone) yield entry.job
    }
  }

  /** How many of its jobs are before something. */
  count(isBefore: (entry: Entry) => boolean): number {
    let count = 0
    for (let i = this.#head; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry
      if (!entry.gone && isBefore(entry)) count++
    }
    return count
  }

  /** How many of its jobs were submitted before. */
  countBefore(seq: number): number {
    return this.count(({ job }) => job.seq < seq)
  }

  /** How many of its jobs go before this one. */
  countBeforeEntry(entry: Entry): number {
    return this.count((other) => inLaneOrder(other, entry) < 0)
  }

  /** Since when the first job waits, or one that it stands before for its deadline: its place in the group. */
  waitsSince(first: Entry): number {
    let { since } = first
    if (this.#deadlines > 0)
      for (let i = this.#head; i < this.#entries.length; i++) {
        const entry = this.#entries[i] as Entry
        if (!entry.gone && entry.since < since) since = entry.since
      }
    return Math.max(since, this.servedAt)
  }

  /** Hours that a job has waited, or the lane where it is the first: as of when it was put in its group. */
  ageHours(entry: Entry, now: number): number {
    return ageHours(entry === this.first() ? this.since : Math.max(entry.since, this.servedAt), now)
  }
}

/**
 * Lanes that differ only in their jobs' run times. Whichever of them has waited longest goes first, at any time, so only
 * that one need be compared with other groups'.
 */
export class LaneGroup {
  readonly key: string
  readonly account: Account
  readonly shape: Shape
  readonly offPeak: boolean
  /** The one that has waited longest first. */
  readonly lanes: Lane[] = []
  /** Of the first lane. Kept here too, since every cycle asks every group. */
  since = 0
  seq = 0
  readonly #classPoints: number
  readonly #policy: Policy

  constructor(key: string, account: Account, shape: Shape, offPeak: boolean, policy: Policy) {
    this.key = key
    this.account = account
    this.shape = shape
    this.offPeak = offPeak
    this.#policy = policy
    this.#classPoints = policy.points.class[classOf(shape.needs, policy)]
  }

  /** Takes a lane out, before it is put where it belongs now. */
  drop(lane: Lane): void {
    const place = this.lanes.indexOf(lane)
    if (place === -1) return
    this.lanes.splice(place, 1)
    this.#lead()
  }

  /** Puts a lane where it belongs, or leaves it out where it is empty. */
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
    this.#lead()
  }

  #lead(): void {
    this.since = this.lanes[0]?.since ?? 0
    this.seq = this.lanes[0]?.seq ?? 0
  }

  /** Points but for age: what a job of this group has that has not waited. */
  pointsWithoutAge(): number {
    const { points } = this.#policy
    const { groupShare, userShare } = this.account
    return this.#classPoints + groupShare * points.groupShare + userShare * points.userShare
  }

  priorityOf(entry: Entry, now: number): Priority {
    const { points } = this.#policy
    const age = entry.lane.ageHours(entry, now)
    return {
      class: this.#classPoints,
      age,
      groupShare: this.account.groupShare * points.groupShare,
      userShare: this.account.userShare * points.userShare,
      total: this.pointsWithoutAge() + age,
    }
  }
}

export const ageHours = (since: number, now: number): number => Math.max(0, now - since) / hourMs

function inLaneOrder(a: Entry, b: Entry): number {
  const [byA, byB] = [a.job.by ?? Infinity, b.job.by ?? Infinity]
  if (byA !== byB) return byA < byB ? -1 : 1
  return a.since - b.since || a.job.seq - b.job.seq
}

/** The lane a job belongs in. */
export function laneOf(job: PlannedJob, { backfill }: Policy): LaneKind & { readonly key: string } {
  const { user, group = '', needs } = job
  const limitSeconds = runTimeStep(job.limitSeconds)
  const plannedSeconds = Math.min(limitSeconds, runTimeStep(job.estimateSeconds * backfill.safety))
  const offPeak = job.offPeak === true
  // One template, and only here: this is made for every job.
  const key = `${user}\n${group}\n${needs.cores} ${needs.memoryGb} ${needs.gpus} ${needs.gpuKind ?? ''}\n${plannedSeconds} ${limitSeconds} ${offPeak ? 'off-peak' : ''}`
  return { key, plannedSeconds, limitSeconds, offPeak }
}

/** The group a lane belongs in. */
export const laneGroupKey = ({ user, group = '', needs, offPeak }: PlannedJob): string =>
  `${user}\n${group}\n${shapeKey(needs)}\n${offPeak === true ? 'off-peak' : ''}`

/**
 * A run time, rounded up to the next of a row of steps, each a quarter longer than the one before: jobs that run for
 * nearly as long are alike.
 */
export function runTimeStep(seconds: number): number {
  return runTimeSteps[countBefore(runTimeSteps, (step) => step < seconds)] ?? seconds
}

/** From a second to some years. */
const runTimeSteps = Array.from({ length: 84 }, (_, i) => Math.ceil(1.25 ** i))

/** By its size a job is of one of three classes. */
export type JobClass = keyof Policy['points']['class']

/** Small: no more of anything than a small job has. Large: as much of anything as a large one. */
export function classOf({ cores, memoryGb }: Needs, { classes: { small, large } }: Pick<Policy, 'classes'>): JobClass {
  if (cores <= small.cores && memoryGb <= small.memoryGb) return 'small'
  return cores >= large.cores || memoryGb >= large.memoryGb ? 'large' : 'normal'
}
