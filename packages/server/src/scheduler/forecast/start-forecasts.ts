import type { EstimateScore, StartForecast } from '../../store/store.ts'
import { band, isWithin, type Band } from './calibration.ts'

/** How many of the newest outcomes correct later forecasts. */
export const outcomesRetained = 1_000

/** A forecast of a job's start, as a user was given it. */
export interface GivenForecast {
  /** The job starts no earlier in any case. */
  readonly from: number
  /** Seconds from then on. */
  readonly forecast: number
  readonly band: Band
}

/**
 * The forecast that a user is given for a job. Pure.
 * @param forecast - Seconds until it starts.
 * @param from - When the seconds begin: now, or the instant before which the job never starts.
 * @param outcomes - Of earlier forecasts, newest last.
 */
export const givenForecast = (forecast: number, from: number, outcomes: readonly StartForecast[]): GivenForecast => ({
  from,
  forecast,
  band: band(forecast, outcomes),
})

/** What a job's start says about the forecast that was given for it. */
export interface ScoredStart {
  readonly score: EstimateScore
  readonly forecast: StartForecast
  /** The start was not stored. */
  readonly undo: () => void
}

/** Given forecasts of jobs that wait, and what came of earlier ones, which corrects the next. */
export class StartForecasts {
  #outcomes: StartForecast[]
  /** The first forecast that was given for each waiting job: the hardest. */
  readonly #given = new Map<string, GivenForecast>()

  /** @param outcomes - Of earlier forecasts, newest last. */
  constructor(outcomes: readonly StartForecast[] = []) {
    this.#outcomes = [...outcomes]
  }

  /** What came of earlier forecasts, newest last. */
  get outcomes(): readonly StartForecast[] {
    return this.#outcomes
  }

  has(jobId: string): boolean {
    return this.#given.has(jobId)
  }

  /** A user was given a forecast. The first for a job counts. */
  record(jobId: string, given: GivenForecast): void {
    if (!this.#given.has(jobId)) this.#given.set(jobId, given)
  }

  /** Scores the forecast of a job that starts; undefined where none was given. */
  started(jobId: string, now: number): ScoredStart | undefined {
    const given = this.#given.get(jobId)
    if (given === undefined) return undefined
    this.#given.delete(jobId)
    const waited = Math.max(0, now - given.from) / 1000
    const missed = waited < given.band.p10 ? 'early' : 'late'
    const forecast = { jobId, at: now, forecast: given.forecast, waited }
    this.#outcomes.push(forecast)
    if (this.#outcomes.length > 2 * outcomesRetained) this.#outcomes.splice(0, outcomesRetained)
    const undo = (): void => {
      this.#outcomes = this.#outcomes.filter((outcome) => outcome !== forecast)
      this.record(jobId, given)
    }
    return {
      score: { what: 'start', outcome: isWithin(given.band, waited) ? 'inside' : missed, at: now },
      forecast,
      undo,
    }
  }

  /** The job will not start. */
  remove(jobId: string): void {
    this.#given.delete(jobId)
  }
}
