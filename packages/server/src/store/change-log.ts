import type { Logger } from 'pino'
import { CursorTooOld, type StoredChange } from './change.ts'
import type { Store } from './store.ts'

/** Milliseconds between reads of the log head, to find changes of other processes. */
const lookEveryMs = 500

/** Newest changes in memory, for readers that are up to date: 1 MB. Others read the store. */
const mostKept = 4_000

/** Changes per query, for readers that are behind. */
const pageSize = 1_000

/** Changes per query at the head of the log. Scheduling waits for these reads, so they are short. */
const headPageSize = 200

/**
 * The change log as one process reads it. The store hands it the changes of each commit of this process. It reads those of other
 * processes every half second, and after a commit that does not follow on what it has. Each reader has its own cursor, and reloads the stored state where its cursor is too old.
 */
export class ChangeLog {
  readonly #store: Pick<Store, 'logId' | 'logHead' | 'changesAfter' | 'onCommit'>
  readonly #log: Pick<Logger, 'error'>
  readonly #listeners = new Set<() => void>()
  /** The newest changes without gaps. The last number is `#head`. */
  #kept: StoredChange[] = []
  #head: number
  #reading: Promise<void> | undefined
  /** The read after the one in progress, for those that came meanwhile. */
  #nextReading: Promise<void> | undefined
  #isClosed = false
  readonly #stopListening: () => void
  readonly #timer: NodeJS.Timeout

  private constructor(store: ChangeLogStore, log: Pick<Logger, 'error'>, head: number) {
    this.#store = store
    this.#log = log
    this.#head = head
    this.#stopListening = store.onCommit((changes) => {
      if (!this.#add(changes)) this.#hint()
    })
    this.#timer = setInterval(() => {
      this.#hint()
    }, lookEveryMs).unref()
  }

  /** Opens the log with the cursor at its end. */
  static async open(store: ChangeLogStore, log: Pick<Logger, 'error'>): Promise<ChangeLog> {
    return new ChangeLog(store, log, await store.logHead())
  }

  /** The id of the log. A change number is valid only within one log. */
  get id(): string {
    return this.#store.logId
  }

  /** The number of the newest change read. */
  get head(): number {
    return this.#head
  }

  /**
   * At most one page of changes after a number, in order. With `owner` only the changes of that user.
   * @throws {CursorTooOld}
   */
  async after(number: number, owner?: string): Promise<ChangePage> {
    const head = this.#head
    if (number === head) return { changes: [], upTo: head }
    const firstKept = head - this.#kept.length + 1
    if (number < firstKept - 1 || number > head) {
      const changes = await this.#store.changesAfter(number, pageSize, owner)
      const last = changes.at(-1)?.number ?? number
      return { changes, upTo: changes.length === pageSize ? last : Math.max(last, head) }
    }
    const start = number - firstKept + 1
    const page = this.#kept.slice(start, start + pageSize)
    const changes = owner === undefined ? page : page.filter((change) => change.owner === owner)
    return { changes, upTo: page.at(-1)?.number ?? number }
  }

  /** Calls `listener` whenever newer changes exist. Errors of the listener are logged. Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Calls `handle` with every change from now on, in order, page by page. An error of `handle` is logged and does not stop
   * the next page. Returns a function that unsubscribes.
   */
  follow(handle: (changes: readonly StoredChange[]) => void): () => void {
    let cursor = this.#head
    let work = Promise.resolve()
    let isStopped = false
    const read = async (): Promise<void> => {
      while (!isStopped && cursor < this.#head) {
        const { changes, upTo } = await this.after(cursor)
        cursor = upTo
        this.#guard(() => {
          handle(changes)
        })
      }
    }
    const stop = this.onChange(() => {
      work = work.then(read).catch((error: unknown) => {
        if (error instanceof CursorTooOld) cursor = this.#head
        this.#log.error({ err: error }, 'changes could not be read, retrying')
      })
    })
    return () => {
      isStopped = true
      stop()
    }
  }

  /** Resolves at the next change, or when the signal is aborted. */
  async next(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = this.onChange(resolve)
    const leave = (): void => {
      resolve()
    }
    signal.addEventListener('abort', leave, { once: true })
    await promise
    stop()
    signal.removeEventListener('abort', leave)
  }

  /** Reads all changes committed so far. It does not wait for reads of those that are committed meanwhile. */
  refresh(): Promise<void> {
    if (this.#reading === undefined) return this.#startReading()
    // The read in progress may have missed the newest commit.
    return (this.#nextReading ??= this.#reading.then(() => {
      this.#nextReading = undefined
      return this.#startReading()
    }))
  }

  /** Stops reading. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    this.#stopListening()
    await (this.#nextReading ?? this.#reading)
  }

  /** Takes changes that follow on the newest, also while a read is in progress. False where others lie between them. */
  #add(changes: readonly StoredChange[]): boolean {
    if (this.#isClosed) return true
    if (changes[0]?.number !== this.#head + 1) return false
    this.#keep(changes)
    for (const listener of this.#listeners) this.#guard(listener)
    return true
  }

  /** Appends to the newest changes in memory. */
  #keep(changes: readonly StoredChange[]): void {
    for (const change of changes) this.#kept.push(change)
    this.#head = changes.at(-1)?.number ?? this.#head
    if (this.#kept.length > 1.25 * mostKept) this.#kept = this.#kept.slice(-mostKept)
  }

  #hint(): void {
    if (!this.#isClosed) void this.refresh()
  }

  #startReading(): Promise<void> {
    return (this.#reading = this.#read().finally(() => {
      this.#reading = undefined
    }))
  }

  async #read(): Promise<void> {
    try {
      if (!this.#isClosed) await this.#readOn()
    } catch (error) {
      this.#log.error({ err: error }, 'the change log could not be read, retrying')
    }
  }

  async #readOn(): Promise<void> {
    let isNew = false
    for (let head = await this.#store.logHead(); this.#head < head;) {
      const page = await this.#store.changesAfter(this.#head, headPageSize)
      if (page.length === 0) break
      // Commits of this process may have added some of them meanwhile.
      const news = page.filter(({ number }) => number > this.#head)
      this.#keep(news)
      isNew ||= news.length > 0
      head = Math.max(head, this.#head)
    }
    if (!isNew) return
    for (const listener of this.#listeners) this.#guard(listener)
  }

  #guard(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#log.error({ err: error }, 'a reader of the change log failed')
    }
  }
}

/** One page of changes. */
export interface ChangePage {
  readonly changes: readonly StoredChange[]
  /** The cursor of the next page: all requested changes up to here are in this page or earlier. */
  readonly upTo: number
}

/** What {@link ChangeLog} reads. */
type ChangeLogStore = Pick<Store, 'logId' | 'logHead' | 'changesAfter' | 'onCommit'>
