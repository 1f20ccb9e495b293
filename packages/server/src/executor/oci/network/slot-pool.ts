import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { slotLimit } from './plan.ts'
import { slotsToMake, slotsToRemove, type PoolCounts } from './pool-size.ts'

/** Makes and removes slots for the pool. */
export interface SlotMaker {
  /** Makes all of these slots, or throws. */
  make(slots: readonly number[]): Promise<void>
  /** Removes those of these slots that exist. */
  remove(slots: readonly number[]): Promise<void>
  /** Those of these slots that contain a process. */
  occupied(slots: readonly number[]): ReadonlySet<number>
}

/** Milliseconds between two checks of returned slots. */
const lookEvery = 100
/** Milliseconds after which a returned slot that still has processes is disconnected and removed. */
const emptyWithin = 10_000

/** Milliseconds before the next attempt to create slots after a failure. */
const afterFailure = 1000

type State = 'making' | 'free' | 'leased' | 'returned' | 'removing'

interface Waiter {
  readonly key: string
  readonly resolve: (slot: number) => void
  readonly reject: (reason: Error) => void
}

/** Slots that are created in advance and reused. One loop creates, checks and removes slots, one step after the other. */
export class SlotPool {
  readonly #maker: SlotMaker
  readonly #log: Pick<Logger, 'warn' | 'error'>
  readonly #slots = new Map<number, State>()
  readonly #returnedAt = new Map<number, number>()
  #waiters: Waiter[] = []
  #closed = false
  /** Whether the last check found no empty slot. Then the loop pauses before the next check, even if attempts wait. */
  #foundNoneEmpty = false
  #working: Promise<void> | undefined
  #hurry = new AbortController()

  constructor(maker: SlotMaker, log: Pick<Logger, 'warn' | 'error'>) {
    this.#maker = maker
    this.#log = log
  }

  /** Makes the first slots. */
  async fill(count: number): Promise<void> {
    await this.#make(count)
  }

  /** A slot; waits while none is free. Rejects when {@link SlotPool.leave} is called with the key, or no slot can be made. */
  async take(key: string): Promise<number> {
    if (this.#closed) throw new Error('the isolated network is closed')
    const free = this.#in('free')[0]
    if (free !== undefined) {
      this.#slots.set(free, 'leased')
      this.#work()
      return free
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ key, resolve, reject })
      this.#work()
      this.#hurry.abort()
    })
  }

  /** Stops waiting. */
  leave(key: string): void {
    for (const waiter of this.#waiters.filter((each) => each.key === key)) {
      waiter.reject(new Error(`attempt ${key} ended while it waited for a network`))
    }
    this.#waiters = this.#waiters.filter((waiter) => waiter.key !== key)
  }

  /** Marks a slot of an earlier server as leased. */
  hold(slot: number): void {
    this.#slots.set(slot, 'leased')
  }

  /** Returns a slot. It is free at once if `empty`, otherwise when a check finds no process in it. */
  giveBack(slot: number, empty = false): void {
    if (this.#slots.get(slot) !== 'leased') return
    if (empty) {
      this.#slots.set(slot, 'free')
      this.#serve()
      return
    }
    this.#slots.set(slot, 'returned')
    this.#returnedAt.set(slot, performance.now())
    this.#work()
  }

  /** The slots that exist and are neither being made nor being removed. */
  complete(): readonly number[] {
    return [...this.#in('free'), ...this.#in('leased'), ...this.#in('returned')]
  }

  /** Removes some of the spare slots. The caller repeats it at intervals. */
  async shrink(): Promise<void> {
    await this.#working
    if (!this.#closed) await this.#remove(this.#in('free').slice(0, slotsToRemove(this.#counts())))
  }

  /** Rejects waiting attempts and stops. Returns every slot that exists. */
  async close(): Promise<readonly number[]> {
    this.#closed = true
    for (const { reject } of this.#waiters.splice(0)) reject(new Error('the isolated network was closed'))
    this.#hurry.abort()
    await this.#working
    return [...this.#slots.keys()]
  }

  #in(state: State): number[] {
    return [...this.#slots].filter(([, each]) => each === state).map(([slot]) => slot)
  }

  #counts(): PoolCounts {
    const counts = { free: 0, making: 0, leased: 0, returned: 0 }
    // A slot that is being removed still takes its place, like a returned one.
    for (const state of this.#slots.values()) counts[state === 'removing' ? 'returned' : state] += 1
    return { ...counts, waiting: this.#waiters.length }
  }

  #work(): void {
    this.#working ??= this.#loop()
      .catch(async (error: unknown) => {
        this.#log.error({ err: error }, 'network namespaces could not be created')
        const reason = new Error('the network namespace of the job could not be created', { cause: error })
        for (const { reject } of this.#waiters.splice(0)) reject(reason)
        await this.#pause(afterFailure)
      })
      .finally(() => {
        this.#working = undefined
        // Attempts and slots may have arrived while the loop ended.
        if (!this.#closed && this.#hasWork()) this.#work()
      })
  }

  /** Whether the loop can make progress. Without this check it would restart endlessly while all slots are leased. */
  #hasWork(): boolean {
    if (this.#in('returned').length > 0) return true
    return this.#waiters.length > 0 && (this.#in('free').length > 0 || slotsToMake(this.#counts()) > 0)
  }

  async #loop(): Promise<void> {
    while (!this.#closed) {
      this.#serve()
      const make = slotsToMake(this.#counts())
      if (make > 0) {
        await this.#make(make)
        continue
      }
      if (this.#in('returned').length === 0) return
      if (this.#waiters.length === 0 || this.#foundNoneEmpty) await this.#pause(lookEvery)
      await this.#lookAtReturned()
    }
  }

  /** Waits for the given time, or until an attempt needs a slot or the pool is closed. */
  async #pause(milliseconds: number): Promise<void> {
    if (this.#closed) return
    this.#hurry = new AbortController()
    await delay(milliseconds, undefined, { signal: this.#hurry.signal }).catch((error: unknown) => {
      if (!this.#hurry.signal.aborted) throw error
    })
  }

  #serve(): void {
    for (const slot of this.#in('free')) {
      const waiter = this.#waiters.shift()
      if (waiter === undefined) return
      this.#slots.set(slot, 'leased')
      waiter.resolve(slot)
    }
  }

  async #lookAtReturned(): Promise<void> {
    const returned = this.#in('returned')
    const occupied = this.#maker.occupied(returned)
    for (const slot of returned) if (!occupied.has(slot)) this.#slots.set(slot, 'free')
    this.#foundNoneEmpty = occupied.size === returned.length
    const since = performance.now() - emptyWithin
    const stuck = [...occupied].filter((slot) => (this.#returnedAt.get(slot) ?? 0) < since)
    if (stuck.length === 0) return
    this.#log.warn({ slots: stuck }, 'processes of ended attempts still run; their network is removed')
    await this.#remove(stuck)
  }

  async #make(count: number): Promise<void> {
    const slots: number[] = []
    for (let slot = 1; slot <= slotLimit && slots.length < count; slot++) if (!this.#slots.has(slot)) slots.push(slot)
    for (const slot of slots) this.#slots.set(slot, 'making')
    try {
      await this.#maker.make(slots)
      for (const slot of slots) this.#slots.set(slot, 'free')
    } catch (error) {
      await this.#remove(slots)
      throw error
    }
  }

  async #remove(slots: readonly number[]): Promise<void> {
    if (slots.length === 0) return
    for (const slot of slots) this.#slots.set(slot, 'removing')
    await this.#maker.remove(slots)
    for (const slot of slots) {
      this.#slots.delete(slot)
      this.#returnedAt.delete(slot)
    }
  }
}
