import type { Why } from '@science-platform/contract'
import { isEnded } from '@science-platform/contract/states'
import type { StoredJob } from '../../job/job.ts'
import type { EstimateScores } from '../../store/store.ts'
import type { JobClass } from '../rules/job-class.ts'
import type { Expectation } from '../cache/run-histories.ts'
import { percentile } from '../../lib/quantiles.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { Ahead, Priority, Reason } from '../cache/snapshot.ts'
import { duration, reasonText, triedAgainText } from './reason-text.ts'

/** When a job is expected to start, as instants: one start of ten comes before `p10`, five before `p50`, nine before `p90`. */
export interface ExpectedStart {
  readonly p10: number
  readonly p50: number
  readonly p90: number
}

/** What is known of a job and its place in the queue. */
export interface WhyFacts {
  readonly job: StoredJob
  readonly now: number
  readonly policy: Policy
  readonly jobClass: JobClass
  /** Number of all jobs that wait. */
  readonly waiting: number
  readonly reason?: Reason | undefined
  readonly ahead?: Ahead | undefined
  readonly priority?: Priority | undefined
  readonly start?: ExpectedStart | undefined
  readonly expectation?: Expectation | undefined
  /** What would start it sooner. */
  readonly advice?: Why['sooner']
  readonly scores: EstimateScores
}

/** Why a job waits, as the API answers. Pure. */
export function whyOf(facts: WhyFacts): Why {
  const { job, reason, ahead, waiting, start, expectation, scores } = facts
  const isWaiting = job.state === 'queued'
  return {
    id: job.id,
    state: job.state,
    summary: summaryOf(facts),
    ...(reason === undefined ? {} : { reason: reasonView(reason, job) }),
    ...(isWaiting && ahead !== undefined ? { ahead: { ...ahead }, waiting } : {}),
    ...(isWaiting ? priorityView(facts) : {}),
    ...(start === undefined
      ? {}
      : { expectedStart: { p10: instant(start.p10), p50: instant(start.p50), p90: instant(start.p90) } }),
    ...(expectation === undefined ? {} : { expectedRun: runView(expectation) }),
    ...(job.by === undefined || isEnded(job.state)
      ? {}
      : { deadline: { by: instant(job.by), outlook: outlookOf(facts) } }),
    sooner: facts.advice ?? [],
    scores: { start: scoreView(scores.start), run: scoreView(scores.run) },
  }
}

function summaryOf({ job, now, reason, policy }: WhyFacts): string {
  if (job.state === 'held') return 'It is held: release it to let it go on.'
  if (reason !== undefined) return waitText(reason, job, now, policy)
  if (job.state === 'starting') return 'It does not wait: its image is fetched or its container made.'
  if (job.state === 'running') {
    return job.deadlineAt === undefined
      ? 'It does not wait: it runs.'
      : `It does not wait: it runs, and may until ${instantText(job.deadlineAt)}, ${duration((job.deadlineAt - now) / 1000)} from now.`
  }
  if (job.state === 'stopping') return 'It does not wait: it was asked to end.'
  return ['It has ended.', job.cause?.message ?? '', ...(job.cause?.remarks ?? [])].join(' ').trimEnd()
}

/** Why a waiting job waits, in a sentence or two. Pure. */
export function waitText(reason: Reason, job: StoredJob, now: number, policy: Pick<Policy, 'offPeak'>): string {
  const { notBefore, postponed } = job
  return postponed !== undefined && isPostponed(reason, job)
    ? triedAgainText({ notBefore: notBefore ?? now, postponed }, now, instantText)
    : reasonText(reason, instantText, policy.offPeak?.timezone)
}

/** Whether it waits because it was returned to the queue, and not for its own `--after`. */
const isPostponed = (reason: Reason, { notBefore }: StoredJob): boolean =>
  reason.kind === 'not-before' && reason.at === notBefore

function reasonView(reason: Reason, job: StoredJob): NonNullable<Why['reason']> {
  const kind = reason.kind === 'placed' ? 'turn' : reason.kind
  switch (reason.kind) {
    case 'not-before':
      return {
        kind,
        until: instant(reason.at),
        ...(job.postponed === undefined || !isPostponed(reason, job)
          ? {}
          : { cause: job.postponed.cause, givenUpAt: instant(job.postponed.until) }),
      }
    case 'window':
      return { kind, ...(reason.opensAt === undefined ? {} : { until: instant(reason.opensAt) }) }
    case 'limit': {
      const { holder, name, on, limit, allocated: held, reserved: kept, asks, larger } = reason
      return {
        kind,
        limit: { holder, name, on, limit, held, ...(kept === undefined ? {} : { kept }), asks },
        ...(larger === undefined ? {} : { until: instant(larger.at) }),
      }
    }
    case 'reservation':
      return { kind, until: instant(reason.at) }
    case 'backfill':
      return { kind, until: instant(reason.reservedAt) }
    case 'resources':
      return { kind, free: reason.mostFree }
    case 'placed':
    case 'turn':
    case 'no-node':
      return { kind }
  }
}

function priorityView({ job, priority, policy: { points }, jobClass }: WhyFacts): Pick<Why, 'priority'> {
  if (priority === undefined) return {}
  const group = job.group === undefined ? 'you have' : `the group ${job.group} has`
  const meanings = {
    class: `a ${jobClass} job`,
    age: 'an hour of waiting is a point',
    groupShare: `of ${points.groupShare}: the less ${group} used lately, the more`,
    userShare: `of ${points.userShare}: the less you have used lately, the more`,
  }
  const { total, ...terms } = priority
  return {
    priority: {
      class: jobClass,
      total: rounded(total),
      terms: (Object.keys(meanings) as (keyof typeof meanings)[]).map((name) => ({
        name,
        points: rounded(terms[name]),
        meaning: meanings[name],
      })),
    },
  }
}

const runView = ({ seconds, runs, peakBytes }: Expectation): NonNullable<Why['expectedRun']> => ({
  seconds: { p10: percentile(seconds, 0.1), p50: percentile(seconds, 0.5), p90: percentile(seconds, 0.9) },
  runs,
  ...(peakBytes === undefined ? {} : { memoryPeakBytes: peakBytes }),
})

/** Whether a job is likely to end by its deadline. */
function outlookOf({ job, now, start, expectation }: WhyFacts): NonNullable<Why['deadline']>['outlook'] {
  const { by = Infinity } = job
  const startedAt = job.startedAt ?? (job.state === 'queued' ? undefined : now)
  const starts = startedAt === undefined ? start : { p50: startedAt, p90: startedAt }
  if (starts === undefined) return 'unknown'
  const endsAt = (at: number, part: number): number =>
    at + 1000 * (expectation === undefined ? job.timeSeconds : percentile(expectation.seconds, part))
  if (endsAt(starts.p90, 0.9) <= by) return 'likely'
  return endsAt(starts.p50, 0.5) <= by ? 'even' : 'unlikely'
}

/** The scores of estimates, as the API has them. */
export const scoreView = ({ inside, early, late }: EstimateScores['start']): Why['scores']['start'] => ({
  told: inside + early + late,
  inside,
  early,
  late,
})

/** An instant for reading: `2026-11-24 18:00 UTC`, with seconds where it is not on the minute. */
export const instantText = (at: number): string =>
  `${new Date(at)
    .toISOString()
    .replace(/(:00)?\.\d+Z$/, '')
    .replace('T', ' ')} UTC`

const instant = (at: number): string => new Date(at).toISOString()
const rounded = (points: number): number => Math.round(points * 100) / 100
