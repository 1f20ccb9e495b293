import { Allocation, NodeState } from '../../packages/server/src/scheduler/cache/node-state.ts'
import { fits, minus, sizeOfRequest, type Size } from '../../packages/server/src/scheduler/rules/size.ts'
import { earliestRoom } from '../../packages/server/src/scheduler/planner/reservations.ts'
import type { Decider } from '../../packages/server/src/scheduler/forecast/simulate.ts'
import type {
  Placement,
  PlannerEvent,
  PlanNode,
  QueuedJob,
} from '../../packages/server/src/scheduler/cache/snapshot.ts'

/**
 * Reference queues for the planner. Plain first come, first served: no job starts before the first can. With `backfill`,
 * EASY (Lifka, 1995): the first has a reservation at the earliest time that the requested times of running jobs allow, and a job that
 * does not delay it starts. Like EASY it uses requested times.
 */
export class FirstCome implements Decider {
  readonly #backfill: boolean
  readonly #nodes: readonly NodeState[]
  readonly #queue = new Map<string, QueuedJob>()
  readonly #active = new Map<string, { readonly node: NodeState; readonly allocation: Allocation }>()

  constructor(nodes: readonly PlanNode[], backfill: boolean) {
    this.#nodes = nodes.map((node) => new NodeState(node))
    this.#backfill = backfill
  }

  apply(event: PlannerEvent): void {
    if (event.type === 'queued') this.#queue.set(event.job.id, event.job)
    if (event.type === 'placed') this.#queue.delete(event.job.id)
    if (event.type !== 'gone') return
    const active = this.#active.get(event.id)
    active?.node.release(active.allocation)
    this.#active.delete(event.id)
  }

  plan(now: number): { placements: Placement[]; again: undefined } {
    const placements: Placement[] = []
    let head: { readonly node: NodeState; readonly at: number; spare: Size } | undefined
    // A size that fits nowhere is skipped until a job ends.
    const blocked = new Set<string>()
    for (const job of this.#queue.values()) {
      const size = sizeOfRequest(job.needs)
      const key = `${size.milliCores} ${size.mib}`
      if (blocked.has(key)) continue
      const endsInTime = head !== undefined && now + job.limitSeconds * 1000 <= head.at
      const mayUse = (node: NodeState): boolean => node !== head?.node || endsInTime || fits(size, head.spare)
      const node = this.#tightest(size, mayUse)
      if (node !== undefined) {
        if (head !== undefined && node === head.node && !endsInTime) head.spare = minus(head.spare, size)
        placements.push({ job, node: node.name })
        const allocation = new Allocation({ ...job, estimateSeconds: job.limitSeconds, node: node.name, placedAt: now })
        node.allocate(allocation)
        this.#active.set(job.id, { node, allocation })
        continue
      }
      if (head === undefined) {
        if (!this.#backfill) break
        head = this.#reserve(size, now)
      }
      if (this.#tightest(size, () => true) === undefined) blocked.add(key)
    }
    return { placements, again: undefined }
  }

  #tightest(size: Size, mayUse: (node: NodeState) => boolean): NodeState | undefined {
    let best: NodeState | undefined
    for (const node of this.#nodes) {
      if (!fits(size, node.free) || !mayUse(node)) continue
      if (best === undefined || node.free.milliCores < best.free.milliCores) best = node
    }
    return best
  }

  #reserve(size: Size, now: number) {
    let best: { readonly node: NodeState; readonly at: number; spare: Size } | undefined
    for (const node of this.#nodes) {
      const room = fits(size, node.total) ? earliestRoom(node, size, now, best?.at) : undefined
      if (room !== undefined) best = { node, at: room.at, spare: minus(room.free, size) }
    }
    return best
  }
}
