import { createHash } from 'node:crypto'
import type { Usage, WarningSignal } from '@science-platform/contract'
import type { Clock } from '../../lib/clock.ts'
import type { AttemptSpec, Ending, Node, Observed, WarningOutcome } from '../executor.ts'
import { WakeUps } from '../../lib/wake-ups.ts'
import {
  begin,
  dueAt,
  lost,
  proceed,
  react,
  usageOf,
  type AttemptEvent,
  type AttemptState,
  type Effect,
} from './attempt-state.ts'
import type { Behaviour, BehaviourOf, Step } from './behaviour.ts'
import { MemoryLog } from './memory-log.ts'
import { printReference } from '../../job/image-reference.ts'

/** Settings of a {@link SimulatedCluster}. */
export interface SimulatedClusterOptions {
  readonly clock: Clock
  readonly nodes: readonly Node[]
  readonly behaviourOf: BehaviourOf
  /** Whether nodes prepare attempts, as those of a cluster do. Otherwise the server does, and its end drops them. @defaultValue false */
  readonly nodesPrepare?: boolean
  /** Called for every fact as it happens, for tests and statistics: an executor shows less. */
  readonly onFact?: (fact: Fact) => void
}

/**
 * Something that happened to an attempt.
 *
 * - `taken`: its node accepted it, and it uses capacity from now on. `started`: its command started.
 * - `stopAsked`: it was stopped. `warned`: it received a signal as a warning.
 * - `ended`. `dropped`: its server went away while preparing it, and nothing is left of it. `forgotten`: its ending was removed.
 */
export interface Fact {
  readonly type: 'taken' | 'started' | 'stopAsked' | 'warned' | 'ended' | 'dropped' | 'forgotten'
  readonly at: number
  readonly spec: AttemptSpec
  readonly node: string
  /** How it ended, once it has. */
  readonly ending?: Ending
}

/** A listener for changes. */
export interface Onlooker {
  changed(): void
  /** The fetch of an attempt's image has begun, or is over. */
  fetching(spec: AttemptSpec, at: number, stage: 'Pulling' | 'Pulled'): void
}

interface Attempt {
  readonly spec: AttemptSpec
  readonly node: string
  readonly behaviour: Behaviour
  readonly changes: WakeUps
  state: AttemptState
  /** Cancels its timer on the clock. */
  rest: () => void
}

/**
 * Nodes, and attempts that run on them by their behaviours: no processes, only events in the order of a clock. It outlives the executor
 * that uses it, and the next executor finds its attempts.
 */
export class SimulatedCluster {
  readonly #parts: SimulatedClusterOptions
  readonly #nodes = new Map<string, Node>()
  readonly #attempts = new Map<string, Attempt>()
  readonly #logs = new Map<string, MemoryLog>()
  /** Files that commands have made, by the names of owner and file. */
  readonly #files = new Set<string>()
  readonly #onlookers = new Set<Onlooker>()

  constructor(parts: SimulatedClusterOptions) {
    this.#parts = parts
    for (const node of parts.nodes) this.addNode(node)
  }

  /** Adds a node, also one that was removed. */
  addNode(node: Node): void {
    this.#nodes.set(node.name, node)
    this.#changed()
  }

  /** Removes a node. Its attempts are lost. */
  loseNode(name: string): void {
    this.#nodes.delete(name)
    for (const [id, attempt] of this.#attempts)
      if (attempt.node === name) this.apply(id, { type: 'nodeLost', node: name })
    this.#changed()
  }

  nodes(): readonly Node[] {
    return [...this.#nodes.values()]
  }

  /** Accepts an attempt, once. An attempt that was forgotten fails. @throws what `behaviourOf` throws */
  take(given: AttemptSpec): void {
    if (this.#attempts.has(given.id)) return
    const spec = structuredClone(given)
    const now = this.#now()
    const behaviour = this.#parts.behaviourOf(spec)
    const node = spec.node ?? this.nodes()[0]?.name ?? 'nowhere'
    const attempt: Attempt = {
      spec,
      node,
      behaviour: this.#logs.has(spec.id) ? { ...behaviour, failure: hasRun(spec.id) } : behaviour,
      changes: new WakeUps(),
      state: this.#nodes.has(node) ? begin(behaviour, now) : lost(undefined, node, now),
      rest: () => {},
    }
    this.#attempts.set(spec.id, attempt)
    this.#tell('taken', attempt)
    if (attempt.state.phase === 'ended') this.#tell('ended', attempt)
    else if ((behaviour.prepareMs ?? 0) > 0) this.#fetching(attempt, 'Pulling')
    // By the clock, also when it is due at once: `take` returns before the attempt proceeds.
    this.#restUntilDue(attempt)
    this.#changed()
  }

  /** Applies an event to an attempt. False where it is unknown or has ended. */
  apply(attemptId: string, event: AttemptEvent): boolean {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.state.phase === 'ended') return false
    if (event.type === 'stop') this.#tell('stopAsked', attempt)
    if (event.type === 'signal' && attempt.state.phase === 'running') this.#tell('warned', attempt)
    this.#become(attempt, react(attempt.state, event, this.#around(attempt)))
    this.#proceed(attempt)
    return true
  }

  /** Makes a running command do steps before it continues. */
  tell(attemptId: string, ...steps: readonly Step[]): void {
    if (this.#attempts.get(attemptId)?.state.phase !== 'running') throw new Error(`${attemptId} does not run.`)
    this.apply(attemptId, { type: 'told', steps })
  }

  /** Sends a signal to a running command that handles it. */
  signal(attemptId: string, signal: WarningSignal): WarningOutcome {
    const attempt = this.#attempts.get(attemptId)
    if (attempt?.state.phase !== 'running') return 'not-running'
    if (attempt.behaviour.onSignal?.[signal] === undefined) return 'not-handled'
    return this.apply(attemptId, { type: 'signal', signal }) ? 'sent' : 'not-running'
  }

  list(): readonly Observed[] {
    return [...this.#attempts.values()].map(observed)
  }

  /** Removes an ended attempt. @throws where it has not ended */
  forget(attemptId: string): void {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined) return
    if (attempt.state.phase !== 'ended') throw new Error(`Attempt ${attemptId} has not ended; it cannot be forgotten.`)
    this.#attempts.delete(attemptId)
    this.#tell('forgotten', attempt)
  }

  usage(attemptId: string): Usage | undefined {
    const attempt = this.#attempts.get(attemptId)
    return attempt === undefined ? undefined : usageOf(attempt.state, this.#now())
  }

  /** The log, which exists from the start of the command until it is deleted. */
  log(attemptId: string): MemoryLog | undefined {
    return this.#logs.get(attemptId)
  }

  deleteLog(attemptId: string): void {
    this.#logs.delete(attemptId)
  }

  /** Wakes at each change of an attempt; undefined where it is unknown or has ended. */
  changesOf(attemptId: string): WakeUps | undefined {
    const attempt = this.#attempts.get(attemptId)
    return attempt === undefined || attempt.state.phase === 'ended' ? undefined : attempt.changes
  }

  /** Adds a listener. Returns a function that removes it. */
  watch(onlooker: Onlooker): () => void {
    this.#onlookers.add(onlooker)
    return () => this.#onlookers.delete(onlooker)
  }

  /** The server has gone. What it was preparing itself is dropped. */
  loseServer(): void {
    if (this.#parts.nodesPrepare === true) return
    for (const [id, attempt] of this.#attempts) {
      if (attempt.state.phase !== 'preparing') continue
      attempt.rest()
      this.#attempts.delete(id)
      this.#tell('dropped', attempt)
    }
  }

  /** Does everything that is due, and sets a timer for the rest. */
  #proceed(attempt: Attempt): void {
    for (;;) {
      const next = proceed(attempt.state, this.#around(attempt))
      if (next === undefined) break
      this.#become(attempt, next.state)
      if (next.effect !== undefined) this.#bringAbout(attempt, next.effect)
    }
    this.#restUntilDue(attempt)
  }

  #restUntilDue(attempt: Attempt): void {
    attempt.rest()
    attempt.rest = this.#parts.clock.at(dueAt(attempt.state), () => {
      this.#proceed(attempt)
    })
  }

  #become(attempt: Attempt, state: AttemptState): void {
    const { state: before, spec, behaviour } = attempt
    attempt.state = state
    if (before.phase === state.phase) return
    if (before.phase === 'preparing' && (behaviour.prepareMs ?? 0) > 0 && behaviour.failure === undefined)
      this.#fetching(attempt, 'Pulled')
    if (state.phase === 'running') this.#logs.set(spec.id, this.#logs.get(spec.id) ?? new MemoryLog())
    this.#tell(state.phase === 'running' ? 'started' : 'ended', attempt)
    attempt.changes.wake()
    this.#changed()
  }

  #bringAbout(attempt: Attempt, effect: Effect): void {
    const { spec, changes } = attempt
    switch (effect.type) {
      case 'write':
        this.#logs.get(spec.id)?.append(effect.bytes)
        changes.wake()
        break
      case 'remove':
        this.#files.delete(fileOf(spec, effect.file))
        break
      case 'touch':
        this.#files.add(fileOf(spec, effect.file))
        for (const other of this.#attempts.values()) if (other !== attempt) this.#proceedSoon(other)
    }
  }

  /** Proceeds after the current event: it may have waited for the file. */
  #proceedSoon(attempt: Attempt): void {
    if (attempt.state.phase !== 'running') return
    attempt.rest()
    attempt.rest = this.#parts.clock.at(this.#now(), () => {
      this.#proceed(attempt)
    })
  }

  #around(attempt: Attempt) {
    const { spec, behaviour } = attempt
    return { spec, behaviour, now: this.#now(), hasFile: (file: string) => this.#files.has(fileOf(spec, file)) }
  }

  #tell(type: Fact['type'], { spec, node, state }: Attempt): void {
    const ending = state.phase === 'ended' ? { ending: state.ending } : {}
    this.#parts.onFact?.({ type, at: this.#now(), spec, node, ...ending })
  }

  #fetching({ spec }: Attempt, stage: 'Pulling' | 'Pulled'): void {
    for (const onlooker of this.#onlookers) onlooker.fetching(spec, this.#now(), stage)
  }

  #changed(): void {
    for (const onlooker of this.#onlookers) onlooker.changed()
  }

  #now(): number {
    return this.#parts.clock.now()
  }
}

function observed({ spec, node, behaviour, state }: Attempt): Observed {
  const known = { attemptId: spec.id, phase: state.phase, node }
  if (state.phase === 'preparing')
    return { ...known, ...(behaviour.waiting === undefined ? {} : { waiting: behaviour.waiting }) }
  return {
    ...known,
    ...(state.startedAt === undefined ? {} : { startedAt: state.startedAt, imageDigest: digestOf(spec) }),
    ...(state.phase === 'ended' ? { ending: state.ending } : {}),
  }
}

/** Images of one name have one digest. */
const digestOf = ({ image, imageDigest }: AttemptSpec): string =>
  imageDigest ?? `sha256:${createHash('sha256').update(printReference(image)).digest('hex')}`

const fileOf = ({ account }: AttemptSpec, file: string): string => `${account.name}/${file}`

const hasRun = (id: string) =>
  ({ code: 'start-failed', message: `Attempt ${id} has run and was forgotten; it does not run twice.` }) as const
