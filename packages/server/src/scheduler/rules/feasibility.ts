import { limitsOf } from '../cache/quota-holder.ts'
import { isAble, NodeState } from '../cache/node-state.ts'
import { fits, sizeOfOffer, sizeOfRequest } from './size.ts'
import type { QuotaSettings, LimitsByHour } from '../../configuration/policy/policy.ts'
import type { LimitHit, Needs, PlanNode } from '../cache/snapshot.ts'

/** Whether any of these nodes could hold a job, were it empty. */
export function fitsSomeNode(needs: Needs, nodes: Iterable<PlanNode>): boolean {
  const asks = { size: sizeOfRequest(needs), gpuKind: needs.gpus > 0 ? needs.gpuKind : undefined }
  return Iterator.from(nodes).some((node) => isAble(new NodeState(node), asks))
}

/**
 * The limit that stops a job for ever, even if its user or group had no allocation; undefined where there is none.
 * @param times - Whether it is off-peak at the hours when the job may start ({@link OffPeakHours.times}): other hours do not matter.
 */
export function infeasibleLimit(
  needs: Needs,
  whose: { readonly holder: 'user' | 'group'; readonly name: string; readonly settings?: QuotaSettings | undefined },
  forAll: LimitsByHour,
  times: readonly boolean[],
): LimitHit | undefined {
  const limits = times.map((isOffPeak) => limitsOf(forAll, whose.settings?.limits, isOffPeak))
  const none = { cores: Infinity, memoryGb: Infinity, gpus: Infinity }
  for (const on of ['running', 'cores', 'memoryGb', 'gpus'] as const) {
    const limit = Math.max(...limits.map((each) => each[on] ?? Infinity))
    const asks = on === 'running' ? 1 : needs[on]
    const isWithin = on === 'running' ? limit >= 1 : fits(sizeOfRequest(needs), sizeOfOffer({ ...none, [on]: limit }))
    if (asks > 0 && !isWithin) return { holder: whose.holder, name: whose.name, on, limit, allocated: 0, asks }
  }
  return undefined
}
