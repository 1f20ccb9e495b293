import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import type { Queue } from '../queue.ts'
import { Feed, type FeedSizes } from './feed.ts'
import type { AskedQuestion, FoundAnswer } from './mirror.ts'
import type { Answers, QuestionKind, Questions } from './questions.ts'

/** Milliseconds without a question after which the worker ends. */
const idleMs = 60_000

/** Milliseconds that an answer may take, with the start of the worker. */
const answerMs = 120_000

/** MiB of JavaScript objects that the worker may hold. */
const heapMb = 1536

/** The worker ended before it answered. The next question starts a new one. */
export class AnswerUnavailable extends Error {
  override readonly name = 'AnswerUnavailable'
}

/** What a {@link QueueWorker} is made from. */
export interface QueueWorkerParts {
  readonly queue: Pick<Queue, 'snapshot' | 'onEvent' | 'reservations'>
  readonly clock: Clock
  readonly log: Pick<Logger, 'debug' | 'warn'>
  /** @defaultValue {@link startThread} */
  readonly startThread?: () => Worker
  readonly sizes?: FeedSizes
}

interface Running {
  readonly thread: Worker
  readonly feed: Feed
  readonly unanswered: Map<number, Unanswered>
  /** When the last requested answer came, or the worker started. */
  restsSince: number
  cancelEnd: () => void
}

interface Unanswered {
  readonly resolve: (answer: Answers[QuestionKind]) => void
  readonly reject: (error: Error) => void
  readonly cancelTimeout: () => void
}

/** Starts the worker's thread. */
export const startThread = (heap = heapMb): Worker =>
  new Worker(new URL('./thread.ts', import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: heap } })

/**
 * A thread that answers questions about the queue. The first question starts it, a minute without one ends it. Where it crashes
 * or runs out of memory, the questions in flight fail and the next starts a new one.
 */
export class QueueWorker {
  readonly #parts: Required<Omit<QueueWorkerParts, 'sizes'>> & Pick<QueueWorkerParts, 'sizes'>
  #running: Running | undefined
  #lastId = 0
  #isClosed = false

  constructor(parts: QueueWorkerParts) {
    this.#parts = { startThread, ...parts }
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /**
   * Asks by the queue as it is now.
   * @param isRequested - Somebody waits for the answer. Else the question does not keep the worker alive.
   * @throws {AnswerUnavailable} where the worker ended first.
   */
  ask<K extends QuestionKind>(kind: K, question: Questions[K], isRequested = true): Promise<Answers[K]> {
    const { clock, queue } = this.#parts
    if (this.#isClosed) return Promise.reject(new AnswerUnavailable('The server is stopping.'))
    const running = (this.#running ??= this.#start())
    const id = ++this.#lastId
    const now = clock.now()
    return new Promise((resolve, reject) => {
      const cancelTimeout = clock.at(now + answerMs, () => {
        this.#end(running, `no answer within ${answerMs / 1000} s`)
      })
      running.unanswered.set(id, {
        resolve: (answer) => {
          if (isRequested) running.restsSince = clock.now()
          resolve(answer as Answers[K])
        },
        reject,
        cancelTimeout,
      })
      running.cancelEnd()
      const reservations = queue.reservations()
      running.feed.ask({ type: 'question', id, kind, question, now, reservations } as AskedQuestion)
    })
  }

  /** Ends the worker; questions in flight fail. */
  async close(): Promise<void> {
    this.#isClosed = true
    const running = this.#running
    if (running === undefined) return
    this.#end(running, 'the server is stopping')
    await running.thread.terminate()
  }

  #start(): Running {
    const { queue, clock, log, sizes } = this.#parts
    log.debug('the worker for questions about the queue starts')
    const thread = this.#parts.startThread()
    const running: Running = {
      thread,
      feed: new Feed(
        queue,
        (items) => {
          thread.postMessage(items)
        },
        sizes,
      ),
      unanswered: new Map(),
      restsSince: clock.now(),
      cancelEnd: () => {},
    }
    thread.on('message', (message: FoundAnswer | 'taken') => {
      if (message === 'taken') running.feed.taken()
      else this.#answered(running, message)
    })
    thread.on('error', (error) => {
      log.warn({ err: error }, 'the worker for questions about the queue crashed')
      this.#end(running, 'it crashed')
    })
    thread.on('exit', () => {
      this.#end(running, 'its thread exited')
    })
    return running
  }

  #answered(running: Running, { id, answer }: FoundAnswer): void {
    const { clock } = this.#parts
    const unanswered = running.unanswered.get(id)
    if (unanswered === undefined) return
    running.unanswered.delete(id)
    unanswered.cancelTimeout()
    unanswered.resolve(answer)
    if (running.unanswered.size > 0 || this.#running !== running) return
    running.cancelEnd()
    running.cancelEnd = clock.at(running.restsSince + idleMs, () => {
      this.#end(running, 'a minute without a question')
    })
  }

  /** Does nothing where it has ended already. */
  #end(running: Running, why: string): void {
    if (this.#running !== running) return
    this.#running = undefined
    this.#parts.log.debug({ reason: why }, 'the worker for questions about the queue ends')
    running.feed.close()
    running.cancelEnd()
    for (const { reject, cancelTimeout } of running.unanswered.values()) {
      cancelTimeout()
      reject(new AnswerUnavailable(`The answer was not found: the worker that explains the queue ended (${why}).`))
    }
    running.unanswered.clear()
    void running.thread.terminate()
  }
}
