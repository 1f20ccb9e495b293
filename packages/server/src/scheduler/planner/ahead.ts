import type { Entry, Lane } from '../cache/lane.ts'
import type { QueueState } from '../cache/queue-state.ts'
import type { Ahead } from '../cache/snapshot.ts'

/**
 * The jobs that would start before one if capacity came free now and nothing else changed. Of its own lane: those before it. Of
 * another lane: the first, if its points are more, and all, if they are even without age.
 */
export function aheadOf(entry: Entry, state: QueueState, now: number): Ahead {
  const { lane: own } = entry
  const before = own.countBefore(entry)
  const fresh = own.group.pointsWithoutAge()
  const score = before === 0 ? fresh + own.ageHours(entry, now) : fresh
  const sum = { jobs: 0, cores: 0, memoryGb: 0, gpus: 0 }
  const isOpen = state.mayStart(own.group, now)
  for (const group of state.groups.values()) {
    if (isOpen && !state.mayStart(group, now)) continue
    const { lanes, shape } = group
    let jobs = 0
    for (const lane of lanes) jobs += lane === own ? before : countAhead(lane, { score, seq: entry.job.seq, now })
    sum.jobs += jobs
    sum.cores += jobs * shape.needs.cores
    sum.memoryGb += jobs * shape.needs.memoryGb
    sum.gpus += jobs * shape.needs.gpus
  }
  return sum
}

/** Once a lane's first job has started, the others have not waited. */
function countAhead(
  lane: Lane,
  { score, seq, now }: { readonly score: number; readonly seq: number; readonly now: number },
): number {
  const first = lane.first()
  if (first === undefined) return 0
  const fresh = lane.group.pointsWithoutAge()
  if (fresh > score) return lane.size
  const unaged = fresh === score ? lane.countSubmittedBefore(seq) : 0
  const aged = fresh + lane.ageHours(first, now)
  const isAhead = aged > score || (aged === score && first.job.seq < seq)
  return isAhead ? Math.max(1, unaged) : unaged
}
