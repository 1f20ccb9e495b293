import { createHash } from 'node:crypto'
import type { Usage, WarningSignal } from '@science-platform/contract'
import type { Clock } from '../../lib/clock.ts'
import type { AttemptSpec, Ending, Node, Observed } from '../executor.ts'
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

/** What is needed to make a {@link SimulatedCluster}. */
export interface SimulatedClusterOptions {
  readonly clock: Clock
  readonly nodes: readonly Node[]
  readonly behaviourOf: BehaviourOf
  /** Whether nodes prepare attempts by themselves, as a cluster's do; otherwise the server does, and what it prepares goes with it. @defaultValue false */
  readonly nodesPrepare?: boolean
  /** Told everything that happens, as it happens: for tests and statistics, who see what no executor shows. */
  readonly onFact?: (fact: Fact) => void
}

/**
 * Something that happened.
 *
 * - `taken`: an executor gave the attempt to its node, which it uses up from now on. `started`: its command was started.
 * - `stopAsked`: it was told to end. `warned`: it got a signal as a warning.
 * - `ended`. `dropped`: it was being prepared when its server went, and nothing is left of it. `forgotten`: its ending was let go.
 */
export interface Fact {
  readonly type: 'taken' | 'started' | 'stopAsked' | 'warned' | 'ended' | 'dropped' | 'forgotten'
  readonly at: number
  readonly spec: AttemptSpec
  readonly node: string
  /** How it ended, once it has. */
  readonly ending?: Ending
}

/** Who is told of changes. */
export interface Onlooker {
  changed(): void
  /** The image of an attempt takes its time: its fetch has begun, or is over. */
  fetching(spec: AttemptSpec, at: number, stage: 'Pulling' | 'Pulled'): void
}

interface Attempt {
  readonly spec: AttemptSpec
  readonly node: string
  readonly behaviour: Behaviour
  readonly changes: WakeUps
  state: AttemptState
  /** Calls off what the clock was asked to do for it. */
  rest: () => void
}

/**
 * Nodes, and attempts that run on them as their behaviours say: no processes, only events in the order of a clock. It goes on
 * when the executor that uses it is closed, and the next one finds in it what is there.
 */
export class SimulatedCluster {
  readonly #parts: SimulatedClusterOptions
  readonly #nodes = new Map<string, Node>()
  readonly #attempts = new Map<string, Attempt>()
  readonly #logs = new Map<string, MemoryLog>()
  /** Files that commands have made, by their owner's name and their own. */
  readonly #files = new Set<string>()
  readonly #onlookers = new Set<Onlooker>()

  constructor(parts: SimulatedClusterOptions) {
    this.#parts = parts
    for (const node of parts.nodes) this.addNode(node)
  }

  /** A new node, or one that is back. */
  addNode(node: Node): void {
    this.#nodes.set(node.name, node)
    this.#changed()
  }

  /** The node is gone, and what ran on it is lost. */
  loseNode(name: string): void {
    this.#nodes.delete(name)
    for (const [id, attempt] of this.#attempts)
      if (attempt.node === name) this.apply(id, { type: 'nodeLost', node: name })
    this.#changed()
  }

  nodes(): readonly Node[] {
    return [...this.#nodes.values()]
  }

  /** Takes an attempt, unless it is here already; one that was here fails. @throws what the function of behaviours throws. */
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
    // Not before the clock says so, even where that is at once: whoever takes an attempt does not wait for it.
    this.#restUntilDue(attempt)
    this.#changed()
  }

  /** Something happens to an attempt. False where it is not here or has ended. */
  apply(attemptId: string, event: AttemptEvent): boolean {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.state.phase === 'ended') return false
    if (event.type === 'stop') this.#tell('stopAsked', attempt)
    if (event.type === 'signal' && attempt.state.phase === 'running') this.#tell('warned', attempt)
    this.#become(attempt, react(attempt.state, event, this.#around(attempt)))
    this.#proceed(attempt)
    return true
  }

  /** Has a running command do something before it goes on with what it does: for whoever plays with attempts by hand. */
  tell(attemptId: string, ...steps: readonly Step[]): void {
    if (this.#attempts.get(attemptId)?.state.phase !== 'running') throw new Error(`${attemptId} does not run.`)
    this.apply(attemptId, { type: 'told', steps })
  }

  /** Sends a signal to a running command. False where there is none. */
  signal(attemptId: string, signal: WarningSignal): boolean {
    return this.#attempts.get(attemptId)?.state.phase === 'running' && this.apply(attemptId, { type: 'signal', signal })
  }

  list(): readonly Observed[] {
    return [...this.#attempts.values()].map(observed)
  }

  /** @throws where it has not ended. */
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

  /** There from the start of a command until it is deleted. */
  log(attemptId: string): MemoryLog | undefined {
    return this.#logs.get(attemptId)
  }

  deleteLog(attemptId: string): void {
    this.#logs.delete(attemptId)
  }

  /** Lets one wait for what happens to an attempt; undefined where it is not here or has ended. */
  changesOf(attemptId: string): WakeUps | undefined {
    const attempt = this.#attempts.get(attemptId)
    return attempt === undefined || attempt.state.phase === 'ended' ? undefined : attempt.changes
  }

  /** Returns what ends the watching. */
  watch(onlooker: Onlooker): () => void {
    this.#onlookers.add(onlooker)
    return () => this.#onlookers.delete(onlooker)
  }

  /** The server is gone, and with it what it was preparing by itself: nobody knows any more that it was to run. */
  loseServer(): void {
    if (this.#parts.nodesPrepare === true) return
    for (const [id, attempt] of this.#attempts) {
      if (attempt.state.phase !== 'preparing') continue
      attempt.rest()
      this.#attempts.delete(id)
      this.#tell('dropped', attempt)
    }
  }

  /** Does all that is due, and asks the clock for what is due later. */
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

  /** It may have waited for what another one did: it looks when that one is done with what it does now. */
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

/** An image of one name is always the same. */
const digestOf = ({ image, imageDigest }: AttemptSpec): string =>
  imageDigest ?? `sha256:${createHash('sha256').update(printReference(image)).digest('hex')}`

const fileOf = ({ account }: AttemptSpec, file: string): string => `${account.name}/${file}`

const hasRun = (id: string) =>
  ({ code: 'start-failed', message: `Attempt ${id} has run and was forgotten; it does not run twice.` }) as const
