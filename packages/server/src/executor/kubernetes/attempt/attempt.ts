import { WakeUps } from '../../../lib/wake-ups.ts'
import type { Ending, Observed } from '../../executor.ts'
import type { Joined } from '../../log/log-view.ts'
import type { LogCopier } from '../log/log-copier.ts'

/** Milliseconds of waiting for one thing before it is worth an event: places become free all the time. */
const patienceMs = 5_000

/** An attempt that this executor knows. */
export class Attempt extends WakeUps {
  readonly id: string
  /** Its name among the objects of the cluster. */
  readonly name: string
  observed: Observed
  /** Whether its Job is known to have been made. */
  made = false
  stopAsked = false
  /** When its Job was first seen to go, in milliseconds since the epoch. */
  deletingSince: number | undefined
  /** The pod (its uid) whose gate was opened, or is being opened. */
  gateOf: string | undefined
  /** How its log was joined, once it has ended. */
  joined: Joined | undefined
  copier: LogCopier | undefined
  /** It has ended in the cluster, and the rest of its log is fetched. */
  settling: Promise<void> | undefined
  /** Ends the making of its objects, while they are made. */
  making: AbortController | undefined
  /** What it waits for, since when, and whether its owner was told. */
  #wait: { readonly kind: string; readonly since: number; told: boolean } | undefined
  /** What is done to its objects, one after the other. */
  #work: Promise<void> = Promise.resolve()

  constructor(id: string, name: string) {
    super()
    this.id = id
    this.name = name
    this.observed = { attemptId: id, phase: 'preparing' }
  }

  /** What it waits for, now. Whether its owner is to be told: when it has waited for something for a while, once. */
  waits(what: string | undefined, now: number): boolean {
    // Numbers change while it waits for the same, and so do the names of the pods that the cluster tries to make.
    const kind = what?.replaceAll(/"[^"]*"|\d+/g, '')
    if (this.#wait?.kind !== kind) this.#wait = kind === undefined ? undefined : { kind, since: now, told: false }
    if (this.#wait === undefined || this.#wait.told || now - this.#wait.since < patienceMs) return false
    this.#wait.told = true
    return true
  }

  get ended(): boolean {
    return this.observed.phase === 'ended'
  }

  /** Does something to its objects, after what was asked for before. */
  inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => undefined)
    return done
  }

  /** It has ended. An ending is never replaced: it may have been told already. */
  end(ending: Ending, facts: Partial<Observed> = {}): void {
    if (this.ended) return
    const { waiting: _, ...observed } = this.observed
    this.observed = { ...observed, ...facts, phase: 'ended', ending }
    this.wake()
  }
}
