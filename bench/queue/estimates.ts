import { band, type Band, isWithin, type Score } from '../../packages/server/src/scheduler/forecast/calibration.ts'
import { forecast } from '../../packages/server/src/scheduler/forecast/forecast.ts'
import type { Decider } from '../../packages/server/src/scheduler/forecast/simulate.ts'
import { planned } from './planned.ts'
import { replay } from './replay.ts'
import type { Trace } from './trace.ts'

/** Accuracy of the expected starts of a trace. */
export interface Estimates {
  readonly asked: number
  /** Parts of the real starts inside, before and after the band. */
  readonly within: number
  readonly before: number
  readonly after: number
  /** End of the median band divided by its beginning. */
  readonly width: number
  readonly meanMs: number
}

interface Asked {
  readonly at: number
  readonly forecast: number
  readonly band: Band
}

/**
 * Forecasts the start of one in `every` waiting jobs right after their submission, with the data of a running platform: run
 * times of ended jobs and scores of earlier forecasts.
 */
export function scoreEstimates(trace: Trace, every: number): Estimates {
  const { planner, observer } = planned(trace.nodes)
  const scores: Score[] = []
  const asked = new Map<string, Asked>()
  const results: { readonly band: Band; readonly waited: number }[] = []
  let submitted: string[] = []
  let count = 0
  let ms = 0

  const ask = (id: string, now: number): void => {
    const before = performance.now()
    const seconds = forecast(planner, id, now, count)
    const answer = seconds === undefined ? undefined : band(seconds, scores)
    ms += performance.now() - before
    if (seconds !== undefined && answer !== undefined) asked.set(id, { at: now, forecast: seconds, band: answer })
  }
  // New jobs that the plan does not start are forecast before the clock advances.
  const decider: Decider = {
    apply: (event) => {
      planner.apply(event)
    },
    plan: (now) => {
      const plan = planner.plan(now)
      const started = new Set(plan.placements.map(({ job }) => job.id))
      for (const id of submitted) if (!started.has(id) && count++ % every === 0) ask(id, now)
      submitted = []
      return plan
    },
  }
  replay(trace, decider, {
    ...observer,
    onSubmitted: ({ id }) => submitted.push(id),
    onPlaced: ({ id, placedAt }) => {
      const answer = asked.get(id)
      if (answer === undefined) return
      const waited = (placedAt - answer.at) / 1000
      scores.push({ forecast: answer.forecast, waited })
      results.push({ band: answer.band, waited })
    },
  })
  const part = (is: (result: (typeof results)[number]) => boolean): number => results.filter(is).length / results.length
  const widths = results.map(({ band: { p10, p90 } }) => p90 / Math.max(60, p10)).toSorted((a, b) => a - b)
  return {
    asked: results.length,
    within: part((result) => isWithin(result.band, result.waited)),
    before: part((result) => result.waited < result.band.p10),
    after: part((result) => result.waited > result.band.p90),
    width: widths[widths.length >> 1] ?? 0,
    meanMs: ms / Math.max(1, results.length),
  }
}
