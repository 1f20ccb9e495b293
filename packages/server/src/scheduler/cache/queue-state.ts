import { FreeNodes } from './free-nodes.ts'
import { Heap } from '../../lib/heap.ts'
import { type Entry, Lane, LaneGroup, laneGroupKey, laneOf, Shape, shapeKey } from './lane.ts'
import { Ledger } from './ledger.ts'
import { Holding, isAble, NodeState } from './node-state.ts'
import { type OffPeakHours, offPeakHoursOf } from '../../configuration/policy/off-peak.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { ActiveJob, Needs, PlannerEvent, PlanNode, QueuedJob, Reservation, Snapshot } from './snapshot.ts'
import { chargedCores } from '../rules/share.ts'

/** How long it is remembered when lanes were served, where there are many. */
const servedForMs = 30 * 86_400_000
const servedLeast = 10_000

/** A snapshot, arranged so that a decision reads little of it, and kept so by events. */
export class QueueState {
  readonly policy: Policy
  readonly offPeak: OffPeakHours | undefined
  readonly nodes = new Map<string, NodeState>()
  readonly free = new FreeNodes()
  readonly entries = new Map<string, Entry>()
  readonly groups = new Map<string, LaneGroup>()
  readonly #lanes = new Map<string, Lane>()
  /** Lanes whose place in their group may have changed. */
  readonly #unsettled = new Set<Lane>()
  readonly shapes = new Map<string, Shape>()
  readonly holdings = new Map<string, Holding>()
  readonly ledger: Ledger
  readonly reservations = new Map<string, Reservation>()
  readonly #served: Map<string, number>
  /** When there are more, old ones are forgotten. */
  #servedMost = 2 * servedLeast
  /** Jobs whose `notBefore` had not come when they were told. Each is in its lane already, or is not yet. */
  readonly #later = new Heap<QueuedJob>((a, b) => (a.notBefore ?? 0) < (b.notBefore ?? 0))
  readonly #notYet = new Map<string, QueuedJob>()
  #capacity = 0
  #nodesVersion = 1
  #now: number

  /** @param offPeak - The policy's, where somebody has worked them out already. */
  constructor(snapshot: Snapshot, offPeak = offPeakHoursOf(snapshot.policy)) {
    this.policy = snapshot.policy
    this.#now = snapshot.now
    this.offPeak = offPeak
    this.ledger = new Ledger(this.policy, this.offPeak)
    this.#served = new Map(snapshot.served)
    for (const node of snapshot.nodes) this.#setNode(node)
    for (const [name, holder] of snapshot.users) this.ledger.user(name).set = holder
    for (const [name, holder] of snapshot.groups) this.ledger.group(name).set = holder
    for (const usage of snapshot.usage) this.ledger.account(usage.user, usage.group).usage = usage
    for (const job of snapshot.active) this.#place(job)
    for (const job of snapshot.queued) this.#queue(job)
    for (const reservation of snapshot.reservations) this.reservations.set(reservation.jobId, reservation)
  }

  /** What it is now as a snapshot. */
  snapshot(): Snapshot {
    const { ledger } = this
    const set = (holders: Ledger['users']) =>
      new Map(
        [...holders].flatMap(([name, { set: holder }]) => (holder === undefined ? [] : [[name, holder] as const])),
      )
    return {
      now: this.#now,
      policy: this.policy,
      nodes: Iterator.from(this.nodes.values()).map(({ node }) => node),
      queued: this.queued(),
      active: Iterator.from(this.holdings.values()).map(({ job }) => job),
      usage: Iterator.from(ledger.accounts()).flatMap(({ usage }) => (usage === undefined ? [] : [usage])),
      users: set(ledger.users),
      groups: set(ledger.groups),
      served: this.#served,
      reservations: this.reservations.values(),
    }
  }

  /** Every job that waits. */
  *queued(): Iterable<QueuedJob> {
    for (const { job } of this.entries.values()) yield job
    yield* this.later()
  }

  /** Those whose `notBefore` has not come. */
  later(): Iterable<QueuedJob> {
    return this.#notYet.values()
  }

  /** The platform's capacity in hundredths of a charged core. */
  get capacity(): number {
    return this.#capacity
  }

  /** A job whose `notBefore` has not come. */
  notYet(id: string): QueuedJob | undefined {
    return this.#notYet.get(id)
  }

  /** When the next `notBefore` comes. */
  nextStart(): number | undefined {
    for (let job = this.#later.first(); job !== undefined; job = this.#later.first()) {
      if (this.#notYet.get(job.id) === job) return job.notBefore
      this.#later.pop()
    }
    return undefined
  }

  /** Takes in what happened. A change of policy needs a new state. */
  take(event: Exclude<PlannerEvent, { readonly type: 'policy' }>): void {
    switch (event.type) {
      case 'queued': {
        const known = this.#waiting(event.job.id)
        this.#takeOut(event.job.id)
        // What is promised to a job stays promised when more is known of it, but not to one that asks for something else.
        if (known === undefined || shapeKey(known.needs) !== shapeKey(event.job.needs))
          this.reservations.delete(event.job.id)
        this.#queue(event.job)
        break
      }
      case 'placed': {
        const lane = this.entries.get(event.job.id)?.lane.key
        this.#forget(event.job.id)
        this.#place(event.job, lane)
        break
      }
      case 'gone':
        this.#forget(event.id)
        break
      case 'usage':
        this.ledger.account(event.usage.user, event.usage.group).usage = event.usage
        break
      case 'node':
        this.#setNode(event.node)
        break
      case 'nodeGone':
        this.#dropNode(event.name)
        break
      case 'user':
        this.ledger.user(event.name).set = event.holder
        break
      case 'group':
        this.ledger.group(event.name).set = event.holder
        break
    }
  }

  /** It is now this time: what may start from here on is moved to its lane, and back where the clock went back. */
  advance(now: number): void {
    if (now < this.#now) {
      for (const { job } of this.entries.values()) {
        if ((job.notBefore ?? 0) <= now) continue
        this.#takeOut(job.id)
        this.#wait(job)
      }
    }
    this.#now = now
    for (let at = this.nextStart(); at !== undefined && at <= now; at = this.nextStart()) {
      const job = this.#later.pop() as QueuedJob
      this.#takeOut(job.id)
      this.#enter(job)
    }
  }

  /** Whether off-peak limits hold: where there are no off-peak hours, never. */
  isOffPeak(now: number): boolean {
    return this.offPeak?.isOpen(now) ?? false
  }

  /** Whether jobs that wait for off-peak hours may start: where there are none, always. */
  mayStart({ offPeak }: Pick<LaneGroup, 'offPeak'>, now: number): boolean {
    return !offPeak || this.offPeak === undefined || this.offPeak.isOpen(now)
  }

  /** Puts lanes whose first job or service has changed where they belong in their groups. */
  settle(): void {
    for (const lane of this.#unsettled) lane.group.drop(lane)
    for (const lane of this.#unsettled) {
      lane.group.put(lane)
      lane.isSettled = true
    }
    for (const lane of this.#unsettled) {
      const { group } = lane
      if (lane.size === 0) this.#lanes.delete(lane.key)
      if (group.lanes.length > 0 || !this.groups.delete(group.key)) continue
      group.shape.groups--
      if (group.shape.groups === 0) this.shapes.delete(shapeKey(group.shape.needs))
    }
    this.#unsettled.clear()
  }

  /** Nodes that could hold it, were they empty. */
  ableNodes(shape: Shape): number {
    if (shape.ableAsOf !== this.#nodesVersion) {
      shape.ableAsOf = this.#nodesVersion
      shape.ableNodes = this.nodes.values().reduce((sum, node) => sum + (isAble(node, shape) ? 1 : 0), 0)
    }
    return shape.ableNodes
  }

  /** Takes capacity of a node, for a while or for long. */
  hold(node: NodeState, holding: Holding): void {
    this.free.remove(node)
    node.take(holding)
    this.free.add(node)
  }

  giveBack(node: NodeState, holding: Holding): void {
    this.free.remove(node)
    node.giveBack(holding)
    this.free.add(node)
  }

  #queue(job: QueuedJob): void {
    if ((job.notBefore ?? 0) > this.#now) this.#wait(job)
    else this.#enter(job)
  }

  #wait(job: QueuedJob): void {
    this.#notYet.set(job.id, job)
    this.#later.push(job)
    this.ledger.account(job.user, job.group).jobs++
  }

  #enter(job: QueuedJob): void {
    const kind = laneOf(job, this.policy)
    let lane = this.#lanes.get(kind.key)
    if (lane === undefined) {
      lane = new Lane(kind.key, this.#group(laneGroupKey(job), job), kind, this.#served.get(kind.key) ?? 0)
      this.#lanes.set(kind.key, lane)
    }
    this.entries.set(job.id, lane.add(job))
    lane.group.account.jobs++
    if (!lane.isSettled) this.#unsettled.add(lane)
  }

  #group(key: string, { user, group: charged, needs, offPeak }: QueuedJob): LaneGroup {
    let group = this.groups.get(key)
    if (group === undefined) {
      const account = this.ledger.account(user, charged)
      group = new LaneGroup(key, account, this.#shape(needs), offPeak === true, this.policy)
      this.groups.set(key, group)
      group.shape.groups++
    }
    return group
  }

  #shape(needs: Needs): Shape {
    const key = shapeKey(needs)
    let shape = this.shapes.get(key)
    if (shape === undefined) {
      shape = new Shape(needs)
      this.shapes.set(key, shape)
    }
    return shape
  }

  #place(job: ActiveJob, laneKey = laneOf(job, this.policy).key): void {
    const holding = new Holding(job)
    this.holdings.set(job.id, holding)
    this.ledger.hold(holding, 1)
    const node = this.nodes.get(job.node)
    if (node !== undefined) this.hold(node, holding)
    const servedAt = Math.max(job.placedAt, this.#served.get(laneKey) ?? 0)
    this.#served.set(laneKey, servedAt)
    if (this.#served.size > this.#servedMost) this.#forgetServed()
    const lane = this.#lanes.get(laneKey)
    if (lane === undefined) return
    lane.servedAt = servedAt
    this.#unsettled.add(lane)
  }

  /** Lanes are as many as users think of; what was served long ago makes no difference to what is submitted now. */
  #forgetServed(): void {
    for (const [key, at] of this.#served) if (at < this.#now - servedForMs) this.#served.delete(key)
    this.#servedMost = 2 * Math.max(servedLeast, this.#served.size)
  }

  #waiting(id: string): QueuedJob | undefined {
    return this.entries.get(id)?.job ?? this.#notYet.get(id)
  }

  /** The job neither waits nor holds anything, and nothing is kept for it. */
  #forget(id: string): void {
    this.reservations.delete(id)
    this.#takeOut(id)
  }

  #takeOut(id: string): void {
    const holding = this.holdings.get(id)
    if (holding !== undefined) {
      this.holdings.delete(id)
      this.ledger.hold(holding, -1)
      const node = this.nodes.get(holding.job.node)
      if (node !== undefined) this.giveBack(node, holding)
    }
    const job = this.#notYet.get(id)
    if (job !== undefined) {
      this.#notYet.delete(id)
      this.ledger.account(job.user, job.group).jobs--
    }
    const entry = this.entries.get(id)
    if (entry === undefined) return
    this.entries.delete(id)
    const { lane } = entry
    lane.remove(entry)
    lane.group.account.jobs--
    this.#unsettled.add(lane)
  }

  #setNode(node: PlanNode): void {
    this.#dropNode(node.name)
    const state = new NodeState(node)
    this.nodes.set(node.name, state)
    for (const holding of this.holdings.values()) {
      if (holding.job.node === node.name) state.take(holding)
    }
    this.free.add(state)
    this.#capacity += this.#worth(node)
    this.#nodesVersion++
  }

  #dropNode(name: string): void {
    const state = this.nodes.get(name)
    if (state === undefined) return
    this.nodes.delete(name)
    this.free.remove(state)
    this.#capacity -= this.#worth(state.node)
    this.#nodesVersion++
  }

  #worth(node: PlanNode): number {
    return Math.round(chargedCores(node, this.policy) * 100)
  }
}
