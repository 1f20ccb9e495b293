import type { StoredJob } from '../../job/job.ts'
import type { EstimateOutcome, StoredRun, StoredRunHistory } from '../../store/store.ts'
import { percentile } from '../../lib/quantiles.ts'
import type { JobClass } from '../rules/job-class.ts'
import { jobFingerprint } from '../rules/job-fingerprint.ts'
import { ClassRuns } from './class-runs.ts'
import { estimatedPart, trustedRuns } from './expected-run-time.ts'

/** Runs that a history has at most: the latest. */
const mostRuns = 50
/** Runs from which on they say something about the next one. */
const enoughRuns = 3
/** A run that misses its estimated range by less than this part of it, or by less than a second, counts as inside. */
const tolerance = 0.05

/** What the last runs of jobs with the same fingerprint say about the next. */
export interface Expectation {
  /** Number of runs that it is from. */
  readonly runs: number
  /** Seconds, ascending; the same array for all jobs with the fingerprint until one more run is known. */
  readonly seconds: readonly number[]
  /** The most memory that any of them needed, in bytes; absent where the machine does not measure it. */
  readonly peakBytes?: number
}

interface History {
  readonly runs: readonly StoredRun[]
  /** Made when it is first asked for. */
  expectation: Expectation | undefined
  /** The estimate by which the jobs that wait were planned last. */
  readonly plannedEstimate: number | undefined
}

/** A run that was added. */
export interface AddedRun {
  /** What the store is to keep. */
  readonly stored: StoredRunHistory
  /**
   * Waiting jobs with the fingerprint need a new estimate: it is the first, the first that may be trusted, or differs from the last by
   * more than a quarter.
   */
  readonly estimateChanged: boolean
  /** Removes the run again: its commit failed. */
  readonly undo: () => void
}

type Runnable = Pick<StoredJob, 'owner' | 'image' | 'cmd' | 'args'>

/** How long jobs ran, by fingerprint and by class: the source of estimated run times. */
export class RunHistories {
  readonly #histories = new Map<string, History>()
  readonly #classes: ClassRuns

  constructor(histories: readonly StoredRunHistory[] = []) {
    for (const { alike: fingerprint, runs } of histories)
      this.#histories.set(fingerprint, { runs, expectation: undefined, plannedEstimate: undefined })
    const runs = histories.flatMap((history) => history.runs)
    this.#classes = new ClassRuns(runs.flatMap((run) => (run.jobClass === undefined ? [] : [[run.jobClass, run]])))
  }

  /** Number of fingerprints. */
  get size(): number {
    return this.#histories.size
  }

  /** What runs of jobs like this one say; undefined where too few are known. */
  expectation(job: Runnable): Expectation | undefined {
    const history = this.#histories.get(jobFingerprint(job))
    return history && expectationOf(history)
  }

  /** Run times of jobs of a class in seconds, ascending; assumed ones where too few are known. */
  ofClass(jobClass: JobClass): readonly number[] {
    return this.#classes.of(jobClass)
  }

  /** Adds a run. */
  add(job: Runnable, run: StoredRun): AddedRun {
    const fingerprint = jobFingerprint(job)
    const before = this.#histories.get(fingerprint)
    const runs = [...(before?.runs ?? []), run].slice(-mostRuns)
    const added = { runs, expectation: undefined, plannedEstimate: before?.plannedEstimate }
    const expectation = expectationOf(added)
    const estimate = expectation && estimateOf(expectation)
    const estimateChanged =
      estimate !== undefined &&
      (added.plannedEstimate === undefined || runs.length === trustedRuns || differs(estimate, added.plannedEstimate))
    const after: History = { runs, expectation, plannedEstimate: estimateChanged ? estimate : added.plannedEstimate }
    this.#histories.set(fingerprint, after)
    const undoOfClass = run.jobClass === undefined ? undefined : this.#classes.add(run.jobClass, run)
    const undo = (): void => {
      undoOfClass?.()
      const current = this.#histories.get(fingerprint)
      if (current === undefined) return
      if (current === after && before !== undefined) this.#histories.set(fingerprint, before)
      else if (current === after) this.#histories.delete(fingerprint)
      else
        this.#histories.set(fingerprint, {
          ...current,
          runs: current.runs.filter((each) => each !== run),
          expectation: undefined,
        })
    }
    return { stored: { alike: fingerprint, runs }, estimateChanged, undo }
  }

  /** Drops the histories whose latest run ended before this instant, as the store does. */
  prune(before: number): void {
    for (const [fingerprint, { runs }] of this.#histories)
      if (runs.every(({ endedAt }) => endedAt < before)) this.#histories.delete(fingerprint)
  }
}

/** How long a run is expected to take, in seconds: three in four took no longer. */
const estimateOf = ({ seconds }: Expectation): number => Math.max(1, percentile(seconds, estimatedPart))

/** Less than a quarter makes no difference to the order (`runTimeStep`). */
const differs = (a: number, b: number): boolean => Math.max(a, b) > 1.25 * Math.min(a, b)

function expectationOf(history: Pick<History, 'runs' | 'expectation'>): Expectation | undefined {
  const { runs } = history
  if (runs.length < enoughRuns) return undefined
  if (history.expectation !== undefined) return history.expectation
  const peaks = runs.flatMap(({ peakBytes }) => (peakBytes === undefined ? [] : [peakBytes]))
  history.expectation = {
    runs: runs.length,
    seconds: runs.map(({ seconds }) => seconds).toSorted((a, b) => a - b),
    ...(peaks.length === 0 ? {} : { peakBytes: Math.max(...peaks) }),
  }
  return history.expectation
}

/** Whether a value lies in its estimated range, within a tolerance. Pure. */
export function outcomeOf(value: number, from: number, to: number): EstimateOutcome {
  const slack = (bound: number): number => Math.max(1, bound * tolerance)
  if (value < from - slack(from)) return 'early'
  return value > to + slack(to) ? 'late' : 'inside'
}
