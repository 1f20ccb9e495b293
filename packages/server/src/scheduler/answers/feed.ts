import { eventsOf, type PlannerEvent } from '../cache/snapshot.ts'
import type { Queue } from '../queue.ts'
import type { AskedQuestion, FeedItem } from './mirror.ts'

/** Limits of a {@link Feed}. */
export interface FeedSizes {
  /** Items of one delivery: serialising them takes about a millisecond. @defaultValue 250 */
  readonly delivery?: number
  /** Deliveries that the worker has not taken: what is sent and not read takes memory. @defaultValue 4 */
  readonly unread?: number
  /** Events that wait to be sent; with more the feed begins with a new snapshot. @defaultValue 250,000 */
  readonly waiting?: number
}

/**
 * Sends the queue to the worker: a snapshot as events, then every event, and questions at their place among them. It goes in small
 * deliveries with a turn of the event loop between them, so that nothing else waits for it.
 */
export class Feed {
  readonly #queue: Pick<Queue, 'snapshot' | 'onEvent'>
  readonly #deliver: (items: readonly FeedItem[]) => void
  readonly #sizes: Required<FeedSizes>
  readonly #stop: () => void
  #begins: FeedItem | undefined
  /** What is left of the snapshot. */
  #snapshot: Iterator<PlannerEvent, void> = [].values()
  #items: FeedItem[] = []
  /** How many of the items were sent. */
  #sent = 0
  #unread = 0
  #turn: NodeJS.Immediate | undefined

  constructor(
    queue: Pick<Queue, 'snapshot' | 'onEvent'>,
    deliver: (items: readonly FeedItem[]) => void,
    { delivery = 250, unread = 4, waiting = 250_000 }: FeedSizes = {},
  ) {
    this.#queue = queue
    this.#deliver = deliver
    this.#sizes = { delivery, unread, waiting }
    this.#begin([])
    this.#stop = queue.onEvent((event) => {
      this.#items.push(event)
      if (this.#items.length - this.#sent > waiting) this.#begin(this.#items.slice(this.#sent).filter(isQuestion))
      this.#schedule()
    })
  }

  /** The worker answers by what was committed before. */
  ask(question: AskedQuestion): void {
    this.#items.push(question)
    this.#schedule()
  }

  /** The worker has taken a delivery. */
  taken(): void {
    this.#unread--
    this.#schedule()
  }

  close(): void {
    this.#stop()
    clearImmediate(this.#turn)
  }

  /** From a new snapshot, which includes all events so far. */
  #begin(questions: readonly AskedQuestion[]): void {
    const snapshot = this.#queue.snapshot()
    const { now, policy } = snapshot
    this.#snapshot = eventsOf(snapshot)
    this.#begins = { type: 'begin', now, policy }
    this.#items = [...questions]
    this.#sent = 0
    this.#schedule()
  }

  #schedule(): void {
    if (this.#turn !== undefined || this.#unread >= this.#sizes.unread) return
    this.#turn = setImmediate(() => {
      this.#turn = undefined
      const items = this.#next()
      if (items.length === 0) return
      this.#unread++
      this.#deliver(items)
      this.#schedule()
    })
  }

  #next(): readonly FeedItem[] {
    const items: FeedItem[] = this.#begins === undefined ? [] : [this.#begins]
    this.#begins = undefined
    const { delivery } = this.#sizes
    while (items.length < delivery) {
      const next: IteratorResult<PlannerEvent, void> = this.#snapshot.next()
      if (next.done === true) break
      items.push(next.value)
    }
    const rest = this.#items.slice(this.#sent, this.#sent + delivery - items.length)
    this.#sent += rest.length
    if (this.#sent === this.#items.length) {
      this.#items = []
      this.#sent = 0
    }
    return [...items, ...rest]
  }
}

const isQuestion = (item: FeedItem): item is AskedQuestion => item.type === 'question'
