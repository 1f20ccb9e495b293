import type { Policy } from '../../configuration/policy/policy.ts'
import type { Needs } from '../cache/snapshot.ts'

/** A job's class by its size. */
export type JobClass = keyof Policy['points']['class']

/** Small: no more of anything than a small job has. Large: as much of anything as a large one. */
export function classOf({ cores, memoryGb }: Needs, { classes: { small, large } }: Pick<Policy, 'classes'>): JobClass {
  if (cores <= small.cores && memoryGb <= small.memoryGb) return 'small'
  return cores >= large.cores || memoryGb >= large.memoryGb ? 'large' : 'normal'
}
