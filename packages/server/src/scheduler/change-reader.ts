import { isEnded, type JobState } from '@science-platform/contract'
import type { StoredJob } from '../job/job.ts'
import { workTurns } from '../lib/work-turns.ts'
import { activeStates } from '../job/lifecycle.ts'
import { CursorTooOld, type StoredChange } from '../store/change.ts'
import type { ChangeLog } from '../store/change-log.ts'
import type { Store, TakenStep } from '../store/store.ts'
import type { Queue } from './queue.ts'

/** Tasks of an array per query: a few milliseconds. */
const tasksAtOnce = 50

/** Tasks of arrays that are loaded at once with a page of changes. Others are loaded in pieces by {@link ChangeReader.loadSome}. */
const tasksPerPage = 200

/** Milliseconds of {@link ChangeReader.loadSome}. */
const loadMs = 20

/** Jobs per query when the full state is loaded. */
const jobsPerPage = 200

/** Dependencies of {@link ChangeReader}. */
export interface ChangeReaderDependencies {
  readonly log: Pick<ChangeLog, 'head' | 'after' | 'refresh'>
  readonly store: Pick<Store, 'notEnded' | 'jobsById' | 'tasks' | 'attempts' | 'holders'>
  readonly queue: Queue
  /** Called with jobs written outside the loop, after their upsert into the queue. */
  readonly onJobs?: (jobs: readonly StoredJob[]) => void
}

/** What must be loaded for a page of changes. */
export interface Reading {
  /** Jobs that changed, each with the number of its newest change. */
  readonly jobs: ReadonlyMap<string, number>
  /** Tasks of arrays that were submitted. */
  readonly arrays: readonly {
    readonly id: string
    readonly first: number
    readonly last: number
    readonly number: number
  }[]
  /** Jobs that ended, each with its final state. */
  readonly ended: ReadonlyMap<string, { readonly state: JobState; readonly number: number }>
  /** Whether the settings of any quota holder changed. */
  readonly holders: boolean
}

/** Derives from changes what must be loaded. Pure. */
export function readingOf(changes: readonly StoredChange[]): Reading {
  const jobs = new Map<string, number>()
  const arrays: Reading['arrays'][number][] = []
  const ended = new Map<string, { readonly state: JobState; readonly number: number }>()
  let holders = false
  for (const { kind, subject, tasks, to, number } of changes) {
    if (kind === 'limit-set' || kind === 'limit-cleared') holders = true
    else if (to === undefined) continue
    else if (tasks !== undefined) arrays.push({ id: subject, ...tasks, number })
    else if (isEnded(to)) ended.set(subject, { state: to, number })
    else jobs.set(subject, number)
  }
  for (const id of ended.keys()) jobs.delete(id)
  return { jobs, arrays, ended, holders }
}

/**
 * Keeps the queue in step with the store: reads the change log with its own cursor and loads what changed. The loop applies
 * its own steps at once. The reader skips their changes by number.
 */
export class ChangeReader {
  readonly #dependencies: ChangeReaderDependencies
  #cursor = 0
  /** The number of the newest applied change of each job. */
  readonly #applied = new Map<string, number>()
  /**
   * Ended jobs. An entry stays until the cursor is past it, so that an older state read meanwhile does not bring the job back.
   */
  #ended: { readonly id: string; readonly number: number }[] = []
  /** Numbers of the loop's own changes beyond the cursor. */
  #own = new Set<number>()
  #waiting: { readonly number: number; readonly call: () => void }[] = []
  #work: Promise<void> = Promise.resolve()
  /** Arrays whose tasks after the one with the `seq` `after` are not loaded yet, in the order of their numbers. */
  #loading: (Reading['arrays'][number] & { readonly after: number })[] = []

  constructor(dependencies: ChangeReaderDependencies) {
    this.#dependencies = dependencies
  }

  /** Loads the full state: at the start, and where the log no longer has the changes after the cursor. */
  async load(): Promise<void> {
    const { log, store, queue } = this.#dependencies
    await log.refresh()
    const number = log.head
    queue.setHolders(await store.holders())
    // Whatever was applied before, the store is right now.
    const known = [...this.#applied.keys()]
    this.#applied.clear()
    const there = new Set<string>()
    for (let after = 0; ;) {
      const page = await store.notEnded(after, jobsPerPage)
      for (const { id } of page) there.add(id)
      await this.#load(page, () => number)
      after = page.at(-1)?.seq ?? after
      if (page.length < jobsPerPage) break
    }
    for (const id of known) if (!there.has(id)) this.#end(id, 'cancelled', number)
    this.#loading = []
    this.#pass(number)
  }

  /** Applies all changes committed so far, except that large arrays are loaded later. Calls run one after another. */
  sync(): Promise<void> {
    return this.#next(async () => {
      await this.#dependencies.log.refresh()
      await this.#readOn()
    })
  }

  /** As {@link sync}, but what other processes changed within the last half second may be missing. Saves a query. */
  syncKnown(): Promise<void> {
    return this.#next(() => this.#readOn())
  }

  /** Loads tasks of large arrays for some milliseconds: a scheduling cycle does not wait for all of them. */
  loadSome(): Promise<void> {
    return this.#next(async () => {
      for (const end = performance.now() + loadMs; this.isLoading && performance.now() < end;) {
        await this.#loadPiece()
      }
    })
  }

  /** Applies all changes committed so far, large arrays included. */
  async syncAll(): Promise<void> {
    await this.sync()
    while (this.isLoading) await this.loadSome()
  }

  /** Whether tasks of large arrays are not loaded yet. */
  get isLoading(): boolean {
    return this.#loading.length > 0
  }

  /** Records the loop's own steps, which the queue already has. */
  noteOwn(taken: readonly TakenStep[]): void {
    for (const { job, change } of taken) {
      this.#own.add(change)
      this.#note(job, change)
    }
  }

  /**
   * Whether the log has changes that are neither applied nor the loop's own, or tasks are not loaded yet. Numbers have no gaps, so a
   * count is enough.
   */
  hasNews(): boolean {
    if (this.isLoading) return true
    const { head } = this.#dependencies.log
    let own = 0
    for (const number of this.#own) if (number > this.#cursor && number <= head) own += 1
    return head - this.#cursor > own
  }

  /** Calls `call` once the changes up to this number are applied, with all tasks of their arrays. */
  whenRead(number: number, call: () => void): void {
    this.#waiting.push({ number, call })
    this.#callWaiting()
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => undefined)
    return done
  }

  async #readOn(): Promise<void> {
    const { log } = this.#dependencies
    try {
      for (;;) {
        const { changes, upTo } = await log.after(this.#cursor)
        if (upTo === this.#cursor) return
        await this.#apply(changes)
        this.#pass(upTo)
      }
    } catch (error) {
      if (!(error instanceof CursorTooOld)) throw error
      await this.load()
    }
  }

  async #apply(page: readonly StoredChange[]): Promise<void> {
    const { store, queue } = this.#dependencies
    const { jobs: changed, arrays, ended, holders } = readingOf(page)
    if (holders) queue.setHolders(await store.holders())
    this.#loading.push(...arrays.map((array) => ({ ...array, after: 0 })))
    for (let loaded = 0; this.isLoading && loaded < tasksPerPage; loaded += tasksAtOnce) {
      await this.#loadPiece()
    }
    const wanted = [...changed].filter(([id, number]) => this.#isNews(id, number)).map(([id]) => id)
    if (wanted.length > 0) await this.#load(await store.jobsById(wanted), (id) => changed.get(id) ?? 0)
    for (const [id, { state, number }] of ended) if (this.#isNews(id, number)) this.#end(id, state, number)
  }

  /** Loads the next tasks of the first array that is not loaded yet. They are read as they are now. */
  async #loadPiece(): Promise<void> {
    const [array] = this.#loading
    if (array === undefined) return
    const { id, first, last, after, number } = array
    const tasks = await this.#dependencies.store.tasks(id, { first, last, after, limit: tasksAtOnce })
    await this.#load(tasks, () => number)
    const seq = tasks.at(-1)?.seq
    if (seq !== undefined && tasks.length === tasksAtOnce) this.#loading[0] = { ...array, after: seq }
    else this.#loading.shift()
    this.#callWaiting()
  }

  /** Upserts stored jobs into the queue, with the attempts of active jobs. */
  async #load(stored: readonly StoredJob[], numberOf: (id: string) => number): Promise<void> {
    const { store, queue, onJobs } = this.#dependencies
    const active = stored.filter(isActive).map((job) => job.id)
    const attempts = active.length === 0 ? [] : await store.attempts(active)
    await workTurns.run('small', () => {
      // The loop may have applied its own steps during the queries.
      const news = stored.filter(({ id }) => this.#isNews(id, numberOf(id)))
      const latest = new Map(news.map((job) => [job.id, job.attempt]))
      this.#upsert(news, numberOf)
      queue.upsertAttempts(attempts.filter(({ jobId, number }) => latest.get(jobId) === number))
      if (news.length > 0) onJobs?.(news)
    })
  }

  #isNews(id: string, number: number): boolean {
    // A log without changes has the head 0.
    return number > (this.#applied.get(id) ?? -1)
  }

  #upsert(jobs: readonly StoredJob[], numberOf: (id: string) => number): void {
    for (const job of jobs) this.#note(job, numberOf(job.id))
    this.#dependencies.queue.upsertJobs(jobs)
  }

  #end(id: string, state: JobState, number: number): void {
    const { queue } = this.#dependencies
    const job = queue.jobCache.queuedJob(id) ?? queue.jobCache.activeJob(id)
    this.#note({ id, state }, number)
    if (job !== undefined) queue.upsertJobs([{ ...job, state }])
  }

  #note({ id, state }: Pick<StoredJob, 'id' | 'state'>, number: number): void {
    this.#applied.set(id, number)
    if (isEnded(state)) this.#ended.push({ id, number })
  }

  /** Moves the cursor to this number. */
  #pass(number: number): void {
    this.#cursor = number
    for (const own of this.#own) if (own <= number) this.#own.delete(own)
    for (const { id, number: end } of this.#ended)
      if (end <= number && this.#applied.get(id) === end) this.#applied.delete(id)
    this.#ended = this.#ended.filter(({ number: end }) => end > number)
    this.#callWaiting()
  }

  #callWaiting(): void {
    if (this.#waiting.length === 0) return
    const read = Math.min(this.#cursor, (this.#loading[0]?.number ?? Infinity) - 1)
    const due = this.#waiting.filter(({ number }) => number <= read)
    this.#waiting = this.#waiting.filter(({ number }) => number > read)
    for (const { call } of due) call()
  }
}

const isActive = ({ state }: StoredJob): boolean => (activeStates as readonly JobState[]).includes(state)
