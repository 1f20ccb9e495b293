import type { StoredJob } from '../../job/job.ts'
import type { EstimateOutcome, StoredRun, StoredRunHistory } from '../../store/store.ts'
import { alike } from '../rules/job-fingerprint.ts'

/** Runs that are kept of jobs alike. */
const kept = 50
/** Runs from which on they say something about the next one. */
const enough = 3
/** What is told of a time is not held against it by less than this part of it, nor by less than a second. */
const tolerance = 0.05

/** What the last runs of jobs alike say. */
export interface Expectation {
  /** How many runs it is from. */
  readonly runs: number
  /** Seconds, ascending; the same array for all jobs alike until one more run is known. */
  readonly seconds: readonly number[]
  /** The most memory that any of them needed, in bytes; absent where the machine could not tell. */
  readonly peakBytes?: number
}

interface History {
  runs: readonly StoredRun[]
  expectation: Expectation | undefined
  /** The estimate as it was last news. */
  told: number | undefined
}

/** How long jobs ran, by what makes them alike: what estimates of run times are made from. */
export class RunHistories {
  readonly #histories = new Map<string, History>()

  constructor(histories: readonly StoredRunHistory[] = []) {
    for (const { alike: key, runs } of histories)
      this.#histories.set(key, { runs, expectation: undefined, told: undefined })
  }

  /** What runs of jobs like this one say; undefined where too few are known. */
  expectation(job: Pick<StoredJob, 'owner' | 'image' | 'cmd' | 'args'>): Expectation | undefined {
    const history = this.#histories.get(alike(job))
    if (history === undefined || history.runs.length < enough) return undefined
    return (history.expectation ??= expectationOf(history.runs))
  }

  /**
   * Learns of one more run. Returns what is to be stored, and whether the estimates of jobs alike that wait are to be made
   * anew: when there is a first one, and when it has moved by a quarter.
   */
  learn(
    job: Pick<StoredJob, 'owner' | 'image' | 'cmd' | 'args'>,
    run: StoredRun,
  ): { readonly stored: StoredRunHistory; readonly isNews: boolean } {
    const key = alike(job)
    const history = this.#histories.get(key) ?? { runs: [], expectation: undefined, told: undefined }
    history.runs = [...history.runs, run].slice(-kept)
    history.expectation = undefined
    this.#histories.set(key, history)
    const expectation = this.expectation(job)
    const estimate = expectation && estimateOf(expectation)
    const isNews = estimate !== undefined && (history.told === undefined || differs(estimate, history.told))
    if (isNews) history.told = estimate
    return { stored: { alike: key, runs: history.runs }, isNews }
  }
}

/** How long a run is expected to take, in seconds: three in four took no longer. */
export const estimateOf = ({ seconds }: Pick<Expectation, 'seconds'>): number => Math.max(1, percentile(seconds, 0.75))

/** Less than a quarter makes no difference to the order (`runTimeStep`). */
const differs = (a: number, b: number): boolean => Math.max(a, b) > 1.25 * Math.min(a, b)

function expectationOf(runs: readonly StoredRun[]): Expectation {
  const peaks = runs.flatMap(({ peakBytes }) => (peakBytes === undefined ? [] : [peakBytes]))
  return {
    runs: runs.length,
    seconds: runs.map(({ seconds }) => seconds).toSorted((a, b) => a - b),
    ...(peaks.length === 0 ? {} : { peakBytes: Math.max(...peaks) }),
  }
}

/** The value below which a part of an ascending list lies, between two of it in proportion. Zero of an empty one. */
export function percentile(ascending: readonly number[], part: number): number {
  const place = part * (ascending.length - 1)
  const below = ascending[Math.floor(place)] ?? 0
  const above = ascending[Math.ceil(place)] ?? below
  return below + (above - below) * (place - Math.floor(place))
}

/** Whether what happened lay between two values told before, give or take what nobody would notice. Pure. */
export function outcomeOf(value: number, from: number, to: number): EstimateOutcome {
  const slack = (bound: number): number => Math.max(1, bound * tolerance)
  if (value < from - slack(from)) return 'early'
  return value > to + slack(to) ? 'late' : 'inside'
}
