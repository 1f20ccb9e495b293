import { WakeUps } from '../../../lib/wake-ups.ts'
import type { Ending, Observed } from '../../executor.ts'
import type { Joined } from '../../log/log-view.ts'
import { nextCustody, tracked, type Custody, type CustodyEvent } from './custody.ts'

/** Milliseconds that an attempt waits for one thing before that is worth an event: most waits are shorter. */
const reportAfterMs = 5_000

/** An attempt that this executor knows. */
export class Attempt extends WakeUps {
  readonly id: string
  /** Its name among the objects of the cluster. */
  readonly name: string
  /** What {@link Executor.list} shows of it. */
  observed: Observed
  /** Whether {@link Executor.stop} was called for it. */
  stopRequested = false
  #custody: Custody
  #wait: { readonly kind: string; readonly since: number; readonly isReported: boolean } | undefined
  /** The last change of its objects that was scheduled. */
  #lastChange: Promise<void> = Promise.resolve()

  private constructor(id: string, name: string, custody: Custody) {
    super()
    this.id = id
    this.name = name
    this.observed = { attemptId: id, phase: 'preparing' }
    this.#custody = custody
  }

  /** An attempt whose objects have yet to be created. */
  static queued(id: string, name: string): Attempt {
    return new Attempt(id, name, { type: 'queued' })
  }

  /** An attempt whose Job an earlier server created. */
  static adopted(id: string, name: string): Attempt {
    return new Attempt(id, name, tracked)
  }

  get custody(): Custody {
    return this.#custody
  }

  get ended(): boolean {
    return this.#custody.type === 'ended'
  }

  /** Aborts the creation of its objects; undefined while none is under way. */
  get creation(): AbortController | undefined {
    const custody = this.#custody
    return custody.type === 'creating' || custody.type === 'tracked' ? custody.abort : undefined
  }

  /** Milliseconds since the epoch when the deletion of its Job was first observed. */
  get deletingSince(): number | undefined {
    return this.#custody.type === 'tracked' ? this.#custody.deletingSince : undefined
  }

  apply(event: CustodyEvent): void {
    this.#custody = nextCustody(this.#custody, event)
  }

  /** Ends the attempt. An ending is never replaced: it may have been reported. */
  end(ending: Ending, facts: Partial<Observed>, joined: Joined): void {
    if (this.ended) return
    this.apply({ type: 'ended', joined })
    const { waiting: _, ...observed } = this.observed
    this.observed = { ...observed, ...facts, phase: 'ended', ending }
    this.wake()
  }

  /** Notes what the attempt waits for. True once per wait, when it has lasted so long that an event is due. */
  isReportDue(wait: string | undefined, now: number): boolean {
    // Numbers change during one wait, and so do the names of the pods that the cluster tries to create.
    const kind = wait?.replaceAll(/"[^"]*"|\d+/g, '')
    if (this.#wait?.kind !== kind) this.#wait = kind === undefined ? undefined : { kind, since: now, isReported: false }
    if (this.#wait === undefined || this.#wait.isReported || now - this.#wait.since < reportAfterMs) return false
    this.#wait = { ...this.#wait, isReported: true }
    return true
  }

  /** Changes its objects after the changes that were scheduled before: one at a time per attempt. */
  serialize(change: () => Promise<void>): Promise<void> {
    const done = this.#lastChange.then(change)
    this.#lastChange = done.catch(() => undefined)
    return done
  }
}
