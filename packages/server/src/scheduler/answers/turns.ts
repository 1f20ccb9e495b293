/** Questions of one caller that may wait for their turn. */
const mostWaiting = 20

/** A caller has too many questions waiting. */
export class TooManyQuestions extends Error {
  override readonly name = 'TooManyQuestions'
  /** Questions that wait already. */
  readonly waiting = mostWaiting
}

interface Line {
  /** Fulfilled when every question so far is answered or has failed. */
  last: Promise<void>
  /** Questions that have not begun, by what they ask. */
  readonly waiting: Map<string, Promise<unknown>>
}

/** One question of a caller at a time: the others wait for their turn, so that no caller takes the worker from the others. */
export class Turns {
  readonly #lines = new Map<string, Line>()

  /**
   * Runs `find` when the caller's questions before have ended. A question that waits already is shared; one that has begun is not,
   * since its answer may miss what has been committed since.
   * @throws {TooManyQuestions}
   */
  async take<T>(caller: string, question: string, find: () => Promise<T>): Promise<T> {
    let line = this.#lines.get(caller)
    if (line === undefined) this.#lines.set(caller, (line = { last: Promise.resolve(), waiting: new Map() }))
    const { last, waiting } = line
    const shared = waiting.get(question)
    if (shared !== undefined) return shared as Promise<T>
    if (waiting.size >= mostWaiting) throw new TooManyQuestions(`${caller} has ${mostWaiting} questions waiting.`)
    const answer = last.then(() => {
      waiting.delete(question)
      return find()
    })
    waiting.set(question, answer)
    const ended = answer.then(ignore, ignore).then(() => {
      if (line.last === ended) this.#lines.delete(caller)
    })
    line.last = ended
    return answer
  }
}

const ignore = (): void => {}
