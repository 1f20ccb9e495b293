import type { EndedAt, Store, StoredShare } from '../store/store.ts'
import { OffPeakHours } from '../configuration/policy/off-peak.ts'
import { activeJobOf } from './cache/planned-job.ts'
import type { Policy } from '../configuration/policy/policy.ts'
import { usageAfter } from './rules/share.ts'

const hourMs = 3_600_000

/** After ten half-lives a charge has decayed below a thousandth. */
const halfLives = 10
const runsAtOnce = 1_000

/** Recomputes all shares from the stored ends of jobs where the store has no shares. */
export async function rebuildIfLost(
  store: Pick<Store, 'shares' | 'endedRuns' | 'replaceShares'>,
  policy: Policy,
  now: number,
): Promise<void> {
  if ((await store.shares()).length > 0) return
  const offPeak = policy.offPeak === undefined ? undefined : new OffPeakHours(policy.offPeak)
  const shares = new Map<string, StoredShare>()
  let after: EndedAt = { at: now - halfLives * policy.halfLifeHours * hourMs }
  for (;;) {
    const runs = await store.endedRuns(after, runsAtOnce)
    for (const { job, attempt } of runs) {
      const endedAt = attempt.endedAt ?? attempt.placedAt
      const key = `${job.owner} ${job.group ?? ''}`
      shares.set(
        key,
        usageAfter(
          shares.get(key),
          { ...activeJobOf(job, attempt, { estimateSeconds: job.timeSeconds }), endedAt },
          policy,
          offPeak,
        ),
      )
      after = { at: endedAt, attemptId: attempt.id }
    }
    if (runs.length < runsAtOnce) break
  }
  if (shares.size > 0) await store.replaceShares([...shares.values()])
}
