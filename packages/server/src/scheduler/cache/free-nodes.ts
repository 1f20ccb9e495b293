import type { NodeState } from './node-state.ts'
import { hasGpus, type Size } from '../rules/size.ts'
import { countBefore } from '../../lib/sorted.ts'

/**
 * Nodes by free capacity, for best fit: the fewest cores left over, then the least memory, then the first name. Jobs without GPUs
 * try nodes without GPUs first.
 */
export class FreeNodes {
  /** Nodes without GPUs, then each kind of GPU in the order of its name. */
  readonly #pools = new Map<string, Pool>()
  #order: string[] = []

  add(node: NodeState): void {
    const key = poolOf(node)
    let pool = this.#pools.get(key)
    if (pool === undefined) {
      pool = new Pool()
      this.#pools.set(key, pool)
      this.#order = [...this.#pools.keys()].toSorted()
    }
    pool.add(node)
  }

  remove(node: NodeState): void {
    this.#pools.get(poolOf(node))?.remove(node)
  }

  /** The tightest node that has room and that the caller accepts. */
  best(asks: Size, gpuKind: string | undefined, accepts?: (node: NodeState) => boolean): NodeState | undefined {
    for (const key of this.#order) {
      if (asks.gpus > 0 && (key === '' || (gpuKind !== undefined && key !== gpus + gpuKind))) continue
      const found = this.#pools.get(key)?.best(asks, accepts)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** All nodes, the most free cores first. */
  *fromEmptiest(): Iterable<NodeState> {
    for (const key of this.#order) yield* this.#pools.get(key)?.fromEmptiest() ?? []
  }
}

const gpus = 'gpus '
const poolOf = (node: NodeState): string => (node.total.gpus > 0 ? gpus + node.gpuKind : '')

/** Nodes in order of free cores, and where those are equal of free memory, then by name. */
class Pool {
  readonly #byCores = new Map<number, NodeState[]>()
  readonly #cores: number[] = []

  add(node: NodeState): void {
    const { milliCores } = node.free
    let nodes = this.#byCores.get(milliCores)
    if (nodes === undefined) {
      nodes = []
      this.#byCores.set(milliCores, nodes)
      this.#cores.splice(firstAtLeast(this.#cores, milliCores), 0, milliCores)
    }
    nodes.splice(placeOf(nodes, node.free.mib, node.name), 0, node)
  }

  remove(node: NodeState): void {
    const { milliCores, mib } = node.free
    const nodes = this.#byCores.get(milliCores)
    if (nodes === undefined) return
    const place = placeOf(nodes, mib, node.name)
    if (nodes[place] !== node) return
    nodes.splice(place, 1)
    if (nodes.length > 0) return
    this.#byCores.delete(milliCores)
    this.#cores.splice(firstAtLeast(this.#cores, milliCores), 1)
  }

  best(asks: Size, accepts: ((node: NodeState) => boolean) | undefined): NodeState | undefined {
    for (let i = firstAtLeast(this.#cores, asks.milliCores); i < this.#cores.length; i++) {
      const nodes = this.#byCores.get(this.#cores[i] as number) as NodeState[]
      for (let j = placeOf(nodes, asks.mib, ''); j < nodes.length; j++) {
        const node = nodes[j] as NodeState
        if (hasGpus(asks, node.free) && (accepts === undefined || accepts(node))) return node
      }
    }
    return undefined
  }

  *fromEmptiest(): Iterable<NodeState> {
    for (let i = this.#cores.length - 1; i >= 0; i--) yield* this.#byCores.get(this.#cores[i] as number) as NodeState[]
  }
}

const firstAtLeast = (sorted: readonly number[], least: number): number => countBefore(sorted, (each) => each < least)

const placeOf = (nodes: readonly NodeState[], mib: number, name: string): number =>
  countBefore(nodes, ({ free, name: other }) => free.mib < mib || (free.mib === mib && other < name))
