import type { Needs } from './snapshot.ts'
import { sizeOfRequest, type Size } from '../rules/size.ts'

/** What jobs ask for. Jobs that ask for the same share one shape, so a cycle finds out once whether it fits. */
export class Shape {
  readonly needs: Needs
  readonly size: Size
  readonly gpuKind: string | undefined
  /** Groups of lanes with this shape. */
  groups = 0
  /** How many nodes could hold such a job, as of that version of the nodes. */
  ableNodes = 0
  ableAsOf = 0
  /** Number of the cycle in which it was found to fit nowhere: free capacity only shrinks within a cycle. */
  blockedIn = 0
  /** Candidates with this shape in the cycle's queue. */
  candidates = 0

  constructor(needs: Needs) {
    this.needs = needs
    this.size = sizeOfRequest(needs)
    this.gpuKind = needs.gpus > 0 ? needs.gpuKind : undefined
  }
}

/** Jobs with this key in common ask for the same. */
export const shapeKey = ({ cores, memoryGb, gpus, gpuKind }: Needs): string =>
  `${cores} ${memoryGb} ${gpus}${gpus > 0 && gpuKind !== undefined ? ` ${gpuKind}` : ''}`
