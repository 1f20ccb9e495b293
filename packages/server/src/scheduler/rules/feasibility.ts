import { limitsOf } from '../cache/ledger.ts'
import { isAble, NodeState } from '../cache/node-state.ts'
import { fits, sizeOfOffer, sizeOfRequest } from './size.ts'
import type { Holder, LimitsByHour } from '../../configuration/policy/policy.ts'
import type { LimitHit, Needs, PlanNode } from '../cache/snapshot.ts'

/** Whether one of these nodes could hold a job, were it empty. A job for which none could is refused when it is submitted. */
export function couldEverFit(needs: Needs, nodes: Iterable<PlanNode>): boolean {
  const asks = { size: sizeOfRequest(needs), gpuKind: needs.gpus > 0 ? needs.gpuKind : undefined }
  return Iterator.from(nodes).some((node) => isAble(new NodeState(node), asks))
}

/**
 * Which limit would never let a job start, even if its user or group held nothing; undefined where it could start. Such a
 * job is refused when it is submitted.
 * @param times - Whether it is off-peak when the job may start ({@link OffPeakHours.times}): what holds at other times does not matter.
 */
export function couldNeverStart(
  needs: Needs,
  whose: { readonly holder: 'user' | 'group'; readonly name: string; readonly set?: Holder | undefined },
  forAll: LimitsByHour,
  times: readonly boolean[],
): LimitHit | undefined {
  const limits = times.map((isOffPeak) => limitsOf(forAll, whose.set?.limits, isOffPeak))
  const none = { cores: Infinity, memoryGb: Infinity, gpus: Infinity }
  for (const on of ['running', 'cores', 'memoryGb', 'gpus'] as const) {
    const limit = Math.max(...limits.map((each) => each[on] ?? Infinity))
    const asks = on === 'running' ? 1 : needs[on]
    const isWithin = on === 'running' ? limit >= 1 : fits(sizeOfRequest(needs), sizeOfOffer({ ...none, [on]: limit }))
    if (asks > 0 && !isWithin) return { holder: whose.holder, name: whose.name, on, limit, held: 0, asks }
  }
  return undefined
}
