import { slotLimit } from './plan.ts'

/** How many slots of a pool are in which state. */
export interface PoolCounts {
  /** Ready to be leased. */
  readonly free: number
  /** Being made. */
  readonly making: number
  readonly leased: number
  /** Returned, and to be found empty before they are free again. */
  readonly returned: number
  /** Attempts that wait for a slot. */
  readonly waiting: number
}

/** Free slots kept while no job runs. */
const leastFree = 2
/** Slots made when the network opens. */
export const firstSlots = 4

/** Free slots wanted: half as many as are in use, so that a burst of jobs does not wait for new slots. */
const wantedFree = ({ leased, returned, waiting }: PoolCounts): number =>
  Math.max(leastFree, Math.ceil((leased + returned) / 2)) + waiting

/** How many slots to make now. They are made several at a time, once half of the free ones are leased. Pure. */
export function slotsToMake(counts: PoolCounts): number {
  const { free, making, leased, returned, waiting } = counts
  const wanted = wantedFree(counts)
  const soon = free + making
  if (soon >= Math.max(leastFree, wanted / 2) && soon >= waiting) return 0
  return Math.max(0, Math.min(wanted - soon, slotLimit - (soon + leased + returned)))
}

/** How many free slots to remove now: half of the spare ones. Pure. */
export function slotsToRemove(counts: PoolCounts): number {
  const tooMany = counts.free - Math.max(wantedFree(counts), firstSlots)
  return tooMany <= 0 || counts.waiting > 0 ? 0 : Math.ceil(tooMany / 2)
}
