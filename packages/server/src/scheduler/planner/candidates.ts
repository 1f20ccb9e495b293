import { Heap } from '../../lib/heap.ts'
import { ageHours, type Lane, type LaneGroup } from '../cache/lane.ts'
import type { QueueState } from '../cache/queue-state.ts'
import type { Shape } from '../cache/shape.ts'

/** A lane that a cycle is to decide on. */
export interface Candidate {
  readonly lane: Lane
  /** Points of its first job. */
  readonly score: number
  readonly seq: number
  /** Since when its first job waits, and since when its lane was not served: the later. */
  readonly since: number
  /** Its place in its group; undefined where the cycle has placed a job of the lane already, or `reservesOnly`. */
  readonly place: number | undefined
  /** Its job may not start now, only keep its reservation. */
  readonly reservesOnly: boolean
}

/** The candidates of one cycle, in order: one for each group of lanes at a time, however many jobs wait. */
export class Candidates {
  readonly #state: QueueState
  readonly #now: number
  /** Of the cycle: marks with it count in this cycle alone. */
  readonly #number: number
  readonly #reserveAfterMs: number
  readonly #heap = new Heap<Candidate>(goesBefore)
  /** Candidates whose size may still fit on some node. */
  #hopeful = 0
  /** Candidates that may have a reservation. */
  #reservable = 0
  #nextReservable: number | undefined

  constructor(state: QueueState, now: number, number: number) {
    this.#state = state
    this.#now = now
    this.#number = number
    this.#reserveAfterMs = state.policy.backfill.reserveAfterSeconds * 1000
  }

  /** Settles lanes, marks sizes that fit no node, and computes shares. */
  prepare(): void {
    const { shapes, free, ledger } = this.#state
    this.#state.settle()
    for (const shape of shapes.values()) {
      shape.candidates = 0
      if (free.best(shape.size, shape.gpuKind) === undefined) shape.blockedIn = this.#number
    }
    ledger.share(this.#now, this.#state.capacity / 100)
  }

  /** Adds the first lane of each group that may start now, and jobs that may not but keep their reservation. */
  addHeads(): void {
    for (const group of this.#state.groups.values()) if (this.#state.mayStart(group, this.#now)) this.#addLane(group, 0)
    this.#addReserved()
  }

  /** Whether any candidate may still fit on a node. */
  get areHopeful(): boolean {
    return this.#hopeful > 0
  }

  /** Whether any candidate may have a reservation. */
  get areReservable(): boolean {
    return this.#reservable > 0
  }

  /** When the first of the others may have one; undefined where there is no other. */
  get nextReservable(): number | undefined {
    return this.#nextReservable
  }

  /** Whether a candidate may have a reservation: it has waited for long enough, or has one. */
  isReservable({ lane, since }: Candidate): boolean {
    return since + this.#reserveAfterMs <= this.#now || this.#state.reservations.has(lane.first()?.job.id ?? '')
  }

  get isEmpty(): boolean {
    return this.#heap.size === 0
  }

  /** Takes the candidate with the most points. */
  pop(): Candidate {
    const candidate = this.#heap.pop() as Candidate
    if (this.isReservable(candidate)) this.#reservable--
    if (candidate.reservesOnly) return candidate
    const { shape } = candidate.lane.group
    shape.candidates--
    if (!this.isBlocked(shape)) this.#hopeful--
    return candidate
  }

  /** Whether the size was found to fit on no node. */
  isBlocked(shape: Shape): boolean {
    return shape.blockedIn === this.#number
  }

  /** The size fits on no node: its candidates can only have a node reserved. */
  block(shape: Shape): void {
    shape.blockedIn = this.#number
    this.#hopeful -= shape.candidates
  }

  /** Adds the lane after this one in its group. */
  addNextLane({ lane, place }: Candidate): void {
    if (place !== undefined) this.#addLane(lane.group, place + 1)
  }

  /** Adds a lane again for its next job. That has not waited: the lane was served in this cycle. */
  addNextJob(lane: Lane): void {
    const next = lane.first()
    if (next === undefined) return
    this.#add({
      lane,
      score: lane.group.pointsWithoutAge(),
      seq: next.job.seq,
      since: this.#now,
      place: undefined,
      reservesOnly: false,
    })
  }

  #addLane(group: LaneGroup, place: number): void {
    const lane = group.lanes[place]
    if (lane === undefined) return
    const { since, seq } = place === 0 ? group : lane
    const score = group.pointsWithoutAge() + ageHours(since, this.#now)
    this.#add({ lane, score, seq, since, place, reservesOnly: false })
  }

  #add(candidate: Candidate): void {
    const { shape } = candidate.lane.group
    this.#push(candidate)
    shape.candidates++
    if (!this.isBlocked(shape)) this.#hopeful++
  }

  #push(candidate: Candidate): void {
    this.#heap.push(candidate)
    if (this.isReservable(candidate)) this.#reservable++
    else this.#nextReservable = Math.min(this.#nextReservable ?? Infinity, candidate.since + this.#reserveAfterMs)
  }

  /**
   * A reservation made within off-peak hours outlasts them: jobs that start there meanwhile might run for longer than the next
   * off-peak hours last, again and again.
   */
  #addReserved(): void {
    for (const jobId of this.#state.reservations.keys()) {
      const entry = this.#state.entries.get(jobId)
      if (entry === undefined || this.#state.mayStart(entry.lane.group, this.#now)) continue
      const { lane } = entry
      if (lane.first() !== entry) continue
      const score = lane.group.pointsWithoutAge() + lane.ageHours(entry, this.#now)
      this.#push({ lane, score, seq: entry.job.seq, since: lane.since, place: undefined, reservesOnly: true })
    }
  }
}

const goesBefore = (a: Candidate, b: Candidate): boolean => a.score > b.score || (a.score === b.score && a.seq < b.seq)
