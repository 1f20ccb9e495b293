import type { QueueOverview, Why } from '@science-platform/contract'
import type { Logger } from 'pino'
import type { StoredJob } from '../../job/job.ts'
import { type Clock, machineClock } from '../../lib/clock.ts'
import type { Store, StoredAccount } from '../../store/store.ts'
import type { Loop } from '../loop.ts'
import { QueueWorker } from './queue-worker.ts'
import { Turns } from './turns.ts'

/** Milliseconds between unrequested forecasts, which calibrate later ones. */
const forecastEveryMs = 60_000
/** The same while nobody asks: each starts the worker. */
const forecastAloneEveryMs = 600_000

/** Milliseconds for which outcomes of estimates are retained. */
export const scoredMs = 30 * 86_400_000

/** Dependencies of {@link QueueAnswers}. */
export interface QueueAnswersParts {
  readonly loop: Pick<Loop, 'queue' | 'caughtUp' | 'reason'>
  readonly store: Pick<Store, 'estimateScores'>
  readonly log: Pick<Logger, 'debug' | 'warn'>
  /** @defaultValue the machine's */
  readonly clock?: Clock
}

/** Answers questions about the queue that take too long for the main thread, one of each caller at a time. */
export class QueueAnswers {
  readonly #parts: Required<QueueAnswersParts>
  readonly #worker: QueueWorker
  readonly #turns = new Turns()
  #forecastAt: number
  #cancelForecast: () => void = () => {}

  constructor(parts: QueueAnswersParts) {
    this.#parts = { clock: machineClock, ...parts }
    const { loop, clock, log } = this.#parts
    this.#worker = new QueueWorker({ queue: loop.queue, clock, log })
    this.#forecastAt = clock.now()
    this.#forecastLater()
  }

  /**
   * The full explanation of why a job waits. The forecast that it gives is scored when the job starts.
   * @param caller - The user who asks.
   * @throws {TooManyQuestions} {@link AnswerUnavailable}
   */
  why(job: StoredJob, caller: string): Promise<Why> {
    const { loop } = this.#parts
    return this.#turns.take(caller, `why ${job.id}`, async () => {
      await loop.caughtUp([job])
      const { why, given } = await this.#worker.ask('why', loop.queue.whyQuestion(job, await this.#scores()))
      if (given !== undefined) loop.queue.recordForecast(job.id, given)
      const waiting = job.state === 'starting' ? loop.reason(job) : undefined
      return waiting === undefined ? why : { ...why, summary: waiting }
    })
  }

  /**
   * The whole queue, and the part of a user and their groups.
   * @throws {TooManyQuestions} {@link AnswerUnavailable}
   */
  overview({ name, groups }: StoredAccount): Promise<QueueOverview> {
    const quotaHolders = [
      { kind: 'user', name } as const,
      ...groups.map((group) => ({ kind: 'group', name: group.name }) as const),
    ]
    return this.#turns.take(name, 'overview', async () => {
      await this.#parts.loop.caughtUp()
      return this.#worker.ask('overview', { quotaHolders, scores: await this.#scores() })
    })
  }

  async close(): Promise<void> {
    this.#cancelForecast()
    await this.#worker.close()
  }

  #scores(): ReturnType<Store['estimateScores']> {
    const { store, clock } = this.#parts
    return store.estimateScores(clock.now() - scoredMs)
  }

  #forecastLater(): void {
    const { clock } = this.#parts
    this.#cancelForecast = clock.at(clock.now() + forecastEveryMs, () => {
      void this.#forecastOne()
      this.#forecastLater()
    })
  }

  /** Forecasts the start of one waiting job, so that forecasts are scored although no user asks. Never rejects. */
  async #forecastOne(): Promise<void> {
    const { loop, clock, log } = this.#parts
    if (!this.#worker.isRunning && clock.now() < this.#forecastAt + forecastAloneEveryMs) return
    this.#forecastAt = clock.now()
    const { queue } = loop
    const jobId = queue.jobToForecast(Math.random)
    if (jobId === undefined) return
    try {
      const given = await this.#worker.ask('start', { jobId, outcomes: queue.outcomes }, false)
      if (given !== undefined) queue.recordForecast(jobId, given)
    } catch (error) {
      log.debug({ err: error }, 'a forecast for calibration was not found')
    }
  }
}
