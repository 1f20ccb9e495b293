import { expectedEnd, type Holding } from './node-state.ts'
import type { Size } from '../rules/size.ts'
import { countBefore } from '../../lib/sorted.ts'

/** When something that is held is expected to be free, and how much. */
interface End {
  readonly at: number
  readonly size: Size
  readonly holding: Holding
}

/** What somebody holds, by when it is expected to end. In order from the first time it is asked: few are ever at a limit. */
export class ExpectedEnds {
  readonly #holdings = new Set<Holding>()
  /** In order, as of `#asOf`. */
  #ends: End[] | undefined
  readonly #endOf = new Map<Holding, End>()
  #asOf = -Infinity

  add(holding: Holding): void {
    this.#holdings.add(holding)
    if (this.#ends !== undefined) this.#insert(this.#ends, holding)
  }

  delete(holding: Holding): void {
    this.#holdings.delete(holding)
    const end = this.#endOf.get(holding)
    if (this.#ends === undefined || end === undefined) return
    this.#endOf.delete(holding)
    this.#ends.splice(
      this.#ends.indexOf(
        end,
        countBefore(this.#ends, ({ at }) => at < end.at),
      ),
      1,
    )
  }

  /** The soonest first. */
  inOrder(now: number): readonly End[] {
    const isBack = now < this.#asOf
    this.#asOf = now
    if (this.#ends === undefined || isBack) {
      this.#ends = [...this.#holdings].map((holding) => this.#end(holding)).toSorted((a, b) => a.at - b.at)
      return this.#ends
    }
    // What has not ended when it was expected to is expected later.
    const overdue = this.#ends.splice(
      0,
      countBefore(this.#ends, ({ at }) => at <= now),
    )
    for (const { holding } of overdue) this.#insert(this.#ends, holding)
    return this.#ends
  }

  #insert(ends: End[], holding: Holding): void {
    const end = this.#end(holding)
    ends.splice(
      countBefore(ends, ({ at }) => at <= end.at),
      0,
      end,
    )
  }

  #end(holding: Holding): End {
    const end = { at: expectedEnd(holding.job, this.#asOf), size: holding.size, holding }
    this.#endOf.set(holding, end)
    return end
  }
}
