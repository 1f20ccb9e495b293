import { type Allocation, expectedEnd } from './node-state.ts'
import type { Size } from '../rules/size.ts'
import { countBefore } from '../../lib/sorted.ts'

/** When an allocation is expected to be free, and its size. */
interface End {
  readonly at: number
  readonly size: Size
  readonly allocation: Allocation
}

/** The allocations of a quota holder by expected end. Sorted from the first query on: few quota holders are ever at a limit. */
export class ExpectedEnds {
  readonly #allocations = new Set<Allocation>()
  /** Sorted, as of `#asOf`. */
  #ends: End[] | undefined
  readonly #endOf = new Map<Allocation, End>()
  #asOf = -Infinity

  add(allocation: Allocation): void {
    this.#allocations.add(allocation)
    if (this.#ends !== undefined) this.#insert(this.#ends, allocation)
  }

  delete(allocation: Allocation): void {
    this.#allocations.delete(allocation)
    const end = this.#endOf.get(allocation)
    if (this.#ends === undefined || end === undefined) return
    this.#endOf.delete(allocation)
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
    const clockStepsBack = now < this.#asOf
    this.#asOf = now
    if (this.#ends === undefined || clockStepsBack) {
      this.#ends = [...this.#allocations].map((allocation) => this.#end(allocation)).toSorted((a, b) => a.at - b.at)
      return this.#ends
    }
    // An allocation that outlives its expected end gets a later one.
    const overdue = this.#ends.splice(
      0,
      countBefore(this.#ends, ({ at }) => at <= now),
    )
    for (const { allocation } of overdue) this.#insert(this.#ends, allocation)
    return this.#ends
  }

  #insert(ends: End[], allocation: Allocation): void {
    const end = this.#end(allocation)
    ends.splice(
      countBefore(ends, ({ at }) => at <= end.at),
      0,
      end,
    )
  }

  #end(allocation: Allocation): End {
    const end = { at: expectedEnd(allocation.job, this.#asOf), size: allocation.size, allocation }
    this.#endOf.set(allocation, end)
    return end
  }
}
