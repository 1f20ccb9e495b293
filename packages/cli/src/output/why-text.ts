import type { Why } from '@science-platform/contract'
import { fields, wrap } from './fields.ts'
import { bytes, duration, instant } from './quantities.ts'
import type { Field } from './job-fields.ts'

const outlooks = {
  likely: 'likely to end in time',
  even: 'may end in time',
  unlikely: 'unlikely to end in time',
  unknown: 'no estimate yet',
} as const

/** Why a job waits, for people, within `width` columns. `now` is in milliseconds since the epoch. */
export function whyText(why: Why, now: number, width: number): string {
  const sooner = why.sooner.flatMap(({ message }) =>
    wrap(message, width - 2).map((line, i) => (i === 0 ? '- ' : '  ') + line),
  )
  return [
    fields(whyFields(why, now), width),
    ...(sooner.length === 0
      ? []
      : ['', 'Changes that would start the job sooner, if you cancel and submit it again:', ...sooner]),
  ].join('\n')
}

function whyFields(why: Why, now: number): Field[] {
  const { ahead, waiting, priority, expectedRun, deadline, scores } = why
  return [
    ['Job', why.id],
    ['State', why.state],
    ['Why', why.summary],
    ['Ahead', ahead && waiting !== undefined ? aheadText(ahead, waiting) : undefined],
    ['Expected start', startText(why, now)],
    ['Wanted by', deadline && `${instant(deadline.by)}: ${outlooks[deadline.outlook]}`],
    ['Expected run', expectedRun && runText(expectedRun)],
    ['Priority', priority && `${points(priority.total)} points; one point is worth an hour of waiting`],
    ...(priority?.terms ?? []).map(({ name, points: count, meaning }): Field => [
      `  ${termNames[name]}`,
      `${points(count)} (${meaning})`,
    ]),
    ['Estimates', why.expectedStart === undefined ? undefined : scoreText(scores.start, 'start')],
  ]
}

const termNames = {
  class: 'size',
  age: 'waited',
  groupShare: 'group',
  userShare: 'user',
  deadline: 'deadline',
} as const

function aheadText({ jobs, cores, memoryGb, gpus }: NonNullable<Why['ahead']>, waiting: number): string {
  if (jobs === 0) return `no job, of ${counted(waiting, 'waiting job')}`
  const amounts = [counted(cores, 'core'), `${memoryGb} GiB`, ...(gpus === 0 ? [] : [counted(gpus, 'GPU')])]
  const asks = `${amounts.slice(0, -1).join(', ')} and ${amounts.at(-1) ?? ''}`
  return `${counted(jobs, 'job')} of ${waiting} that wait, requesting ${asks}`
}

const yearSeconds = 365 * 86_400

function startText({ expectedStart }: Why, now: number): string | undefined {
  if (expectedStart === undefined) return undefined
  const { p10, p50, p90 } = expectedStart
  const seconds = (at: string): number => (Date.parse(at) - now) / 1000
  if (seconds(p50) > yearSeconds) return 'not within a year, with the present queue'
  const about = seconds(p50) < 1 ? 'now' : `in ${duration(seconds(p50))}`
  const earliest = seconds(p10) < 1 ? 'now' : duration(seconds(p10))
  return `${about} (${instant(p50)}); in 8 of 10 cases between ${earliest} and ${duration(seconds(p90))} from now`
}

function runText({ seconds, runs, memoryPeakBytes }: NonNullable<Why['expectedRun']>): string {
  const peak = memoryPeakBytes === undefined ? '' : `; at most ${bytes(memoryPeakBytes)} of memory`
  return `${duration(seconds.p50)}, between ${duration(seconds.p10)} and ${duration(seconds.p90)} in 8 of 10 cases, from its last ${counted(runs, 'run')}${peak}`
}

/** How often estimates of a `start` or a `run time` were right. */
export function scoreText({ told, inside, early, late }: Why['scores']['start'], what: string): string {
  if (told === 0) return `no estimated ${what} in 30 days`
  return `${counted(told, what)} in 30 days: ${inside} as estimated, ${early} earlier, ${late} later`
}

const points = (count: number): string => count.toFixed(1)

/** `1 job`, `2 jobs`. */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`
