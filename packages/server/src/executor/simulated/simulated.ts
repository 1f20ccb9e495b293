import type { Usage, WarningSignal } from '@science-platform/contract'
import type {
  AttemptSpec,
  Executor,
  ExecutorEvent,
  LogRange,
  Node,
  Observed,
  Output,
  WarningOutcome,
} from '../executor.ts'
import type { SimulatedCluster } from './simulated-cluster.ts'
import { printReference } from '../../job/image-reference.ts'

/** An executor whose attempts are events of a {@link SimulatedCluster}. */
export interface SimulatedExecutor extends Executor {
  /** Reads and follows of logs that are open. */
  readonly openReads: number
}

/** Runs attempts in a simulated cluster, which outlives the executor. One executor at a time uses a cluster. */
export function createSimulatedExecutor(cluster: SimulatedCluster): SimulatedExecutor {
  return new Simulated(cluster)
}

class Simulated implements SimulatedExecutor {
  readonly name = 'simulated'
  readonly #cluster: SimulatedCluster
  readonly #changeListeners: (() => void)[] = []
  readonly #eventListeners: ((event: ExecutorEvent) => void)[] = []
  #unwatch: () => void = () => {}
  openReads = 0

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  async open(): Promise<void> {
    this.#unwatch = this.#cluster.watch({
      changed: () => {
        for (const listener of this.#changeListeners) listener()
      },
      fetching: ({ id: attemptId, image }, at, reason) => {
        const name = printReference(image)
        const message = reason === 'Pulling' ? `The image ${name} is being fetched.` : `The image ${name} is here.`
        for (const listener of this.#eventListeners) listener({ attemptId, at, type: 'Normal', reason, message })
      },
    })
  }

  async nodes(): Promise<readonly Node[]> {
    return this.#cluster.nodes()
  }

  async start(spec: AttemptSpec): Promise<void> {
    this.#cluster.take(spec)
  }

  async stop(attemptId: string, graceSeconds: number): Promise<void> {
    this.#cluster.apply(attemptId, { type: 'stop', graceSeconds })
  }

  async signal(attemptId: string, signal: WarningSignal): Promise<WarningOutcome> {
    return this.#cluster.signal(attemptId, signal)
  }

  async list(): Promise<readonly Observed[]> {
    return this.#cluster.list()
  }

  async forget(attemptId: string): Promise<void> {
    this.#cluster.forget(attemptId)
  }

  async usage(attemptId: string): Promise<Usage | undefined> {
    return this.#cluster.usage(attemptId)
  }

  async logSize(attemptId: string): Promise<number | undefined> {
    return this.#cluster.log(attemptId)?.size
  }

  async *readLog(attemptId: string, { start = 0, end = Infinity }: LogRange): AsyncIterable<Uint8Array> {
    this.openReads++
    try {
      yield* this.#cluster.log(attemptId)?.read(start, end) ?? []
    } finally {
      this.openReads--
    }
  }

  async *followLog(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    this.openReads++
    try {
      for (let position = start; !signal.aborted;) {
        // Registered before reading, so that a change while reading is not missed.
        const changed = this.#cluster.changesOf(attemptId)?.changed(signal)
        changed?.catch(() => undefined) // awaited below, unless the reader leaves first
        for (const bytes of this.#cluster.log(attemptId)?.read(position, Infinity) ?? []) {
          position += bytes.length
          yield bytes
          if (signal.aborted) return
        }
        if (changed === undefined) return
        await changed
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      this.openReads--
    }
  }

  async output(attemptId: string, from: number): Promise<Output | undefined> {
    const size = this.#cluster.log(attemptId)?.size
    if (size === undefined) return undefined
    return { start: from, end: Math.max(from, size), size, lostBytes: 0 }
  }

  readOutput(attemptId: string, start: number, end: number): AsyncIterable<Uint8Array> {
    return this.readLog(attemptId, { start, end })
  }

  followOutput(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.followLog(attemptId, start, signal)
  }

  async deleteLog(attemptId: string): Promise<void> {
    this.#cluster.deleteLog(attemptId)
  }

  onChange(listener: () => void): void {
    this.#changeListeners.push(listener)
  }

  onEvent(listener: (event: ExecutorEvent) => void): void {
    this.#eventListeners.push(listener)
  }

  async close(): Promise<void> {
    this.#unwatch()
    this.#cluster.loseServer()
  }
}
