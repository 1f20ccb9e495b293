import { policyOf } from '../../configuration/policy/policy-of.ts'
import {
  type ActiveJob,
  emptySnapshot,
  type Plan,
  type PlanNode,
  type QueuedJob,
  type Snapshot,
} from '../cache/snapshot.ts'

/** A Monday, ten in the morning. */
export const morning = Date.UTC(2026, 10, 23, 10)
export const minute = 60_000
export const hour = 60 * minute

/** One node of 16 cores and 64 GiB. */
export const node: PlanNode = { name: 'n1', cores: 16, memoryGb: 64, gpus: 0 }

/** The default policy with office hours. */
const policy = policyOf({
  offPeak: {
    days: ['mon', 'tue', 'wed', 'thu', 'fri'],
    from: '18:00',
    to: '08:00',
    weekends: true,
    timezone: 'UTC',
  },
})

/** One node, and nothing else but what is given. */
export const snapshotOf = (parts: Partial<Snapshot> = {}): Snapshot => ({
  ...emptySnapshot(morning, policy),
  nodes: [node],
  ...parts,
})

let last = 0

/** A job of one core and 4 GiB that has just been submitted and may run for an hour. */
export function jobOf(cores = 1, parts: Partial<QueuedJob> = {}): QueuedJob {
  const seq = ++last
  return {
    id: `job${seq}`,
    seq,
    user: 'ada',
    needs: { cores, memoryGb: 4 * cores, gpus: 0 },
    submittedAt: morning,
    estimateSeconds: 3600,
    limitSeconds: 3600,
    ...parts,
  }
}

/** A job of so many cores that was placed on the one node this morning. */
export const running = (cores: number, parts: Partial<ActiveJob> = {}): ActiveJob => ({
  ...jobOf(cores),
  node: node.name,
  placedAt: morning,
  ...parts,
})

/** The jobs that a plan starts. */
export const ids = ({ placements }: Plan): string[] => placements.map(({ job }) => job.id)
