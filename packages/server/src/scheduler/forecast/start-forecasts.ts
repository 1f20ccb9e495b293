import type { EstimateScore, StartForecast } from '../../store/store.ts'
import { band, isWithin, type Band } from './calibration.ts'

/** How many of the newest outcomes later forecasts are corrected by. */
export const outcomesKept = 1_000

interface Told {
  /** It starts no earlier in any case. */
  readonly from: number
  /** Seconds from then on. */
  readonly forecast: number
  readonly band: Band
}

/** When a job is expected to start, as instants: one start of ten comes before `p10`, five before `p50`, nine before `p90`. */
export interface ExpectedStart {
  readonly p10: number
  readonly p50: number
  readonly p90: number
}

/** Starts that were told, held against what happens, which corrects the next ones. */
export class StartForecasts {
  readonly #outcomes: StartForecast[]
  /** What was told first of each job that waits: the hardest to tell. */
  readonly #told = new Map<string, Told>()

  /** @param outcomes - Of earlier forecasts, newest last. */
  constructor(outcomes: readonly StartForecast[] = []) {
    this.#outcomes = [...outcomes]
  }

  /** Whether something was told of a job. */
  has(jobId: string): boolean {
    return this.#told.has(jobId)
  }

  /**
   * What is told of a job that was forecast to start in so many seconds, in ascending draws; undefined where none started.
   * @param from - From when they are counted: now, or the instant before which it does not start in any case.
   */
  tell(jobId: string, draws: readonly number[], from: number): ExpectedStart | undefined {
    const forecast = draws[Math.floor(draws.length / 2)]
    const told = band(draws, this.#outcomes)
    if (told === undefined || forecast === undefined) return undefined
    if (!this.#told.has(jobId)) this.#told.set(jobId, { from, forecast, band: told })
    const at = (seconds: number): number => Math.round(from + seconds * 1000)
    return { p10: at(told.p10), p50: at(told.p50), p90: at(told.p90) }
  }

  /** The job starts: what comes of what was told of it. */
  started(jobId: string, now: number): { readonly score: EstimateScore; readonly forecast: StartForecast } | undefined {
    const told = this.#told.get(jobId)
    if (told === undefined) return undefined
    this.#told.delete(jobId)
    const waited = Math.max(0, now - told.from) / 1000
    const missed = waited < told.band.p10 ? 'early' : 'late'
    const forecast = { jobId, at: now, forecast: told.forecast, waited }
    this.#outcomes.push(forecast)
    if (this.#outcomes.length > 2 * outcomesKept) this.#outcomes.splice(0, outcomesKept)
    return { score: { what: 'start', outcome: isWithin(told.band, waited) ? 'inside' : missed, at: now }, forecast }
  }

  /** It will not start. */
  forget(jobId: string): void {
    this.#told.delete(jobId)
  }
}
