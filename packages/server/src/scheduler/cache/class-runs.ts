import { normalQuantile } from '../../lib/quantiles.ts'
import type { JobClass } from '../rules/job-class.ts'

/** Runs of a class that are kept: the latest. */
const mostRuns = 50

/**
 * How long a job runs of which nothing is known: log-normal, half of them up to 10 minutes, 95 % up to 6 hours. An assumption: it is
 * replaced by runs as they come.
 */
const assumedMedianSeconds = 600
const assumedDeviation = Math.log(36) / normalQuantile(0.95)

/** A run of a class. */
export interface ClassRun {
  readonly endedAt: number
  readonly seconds: number
}

/** How long jobs of each class took on this platform: what is expected of a job without a history. */
export class ClassRuns {
  readonly #runs = new Map<JobClass, readonly ClassRun[]>()
  readonly #seconds = new Map<JobClass, readonly number[]>()

  /** @param runs - Known ones, in any order. */
  constructor(runs: Iterable<readonly [JobClass, ClassRun]> = []) {
    const byClass = Map.groupBy(runs, ([jobClass]) => jobClass)
    for (const [jobClass, those] of byClass)
      this.#runs.set(
        jobClass,
        those
          .map(([, run]) => run)
          .toSorted((a, b) => a.endedAt - b.endedAt)
          .slice(-mostRuns),
      )
  }

  /** Adds a run. Returns a function that takes it back: its commit failed. */
  add(jobClass: JobClass, run: ClassRun): () => void {
    const before = this.#runs.get(jobClass) ?? []
    this.#set(jobClass, [...before, run].slice(-mostRuns))
    return () => {
      this.#set(
        jobClass,
        (this.#runs.get(jobClass) ?? []).filter((each) => each !== run),
      )
    }
  }

  /** Run times of a class in seconds, ascending, {@link mostRuns} of them: the latest, and assumed ones in place of those that are missing. */
  of(jobClass: JobClass): readonly number[] {
    let seconds = this.#seconds.get(jobClass)
    if (seconds === undefined) {
      const known = (this.#runs.get(jobClass) ?? []).map((run) => run.seconds)
      seconds = [...known, ...assumedSeconds(mostRuns - known.length)].toSorted((a, b) => a - b)
      this.#seconds.set(jobClass, seconds)
    }
    return seconds
  }

  #set(jobClass: JobClass, runs: readonly ClassRun[]): void {
    this.#runs.set(jobClass, runs)
    this.#seconds.delete(jobClass)
  }
}

/** So many run times spread as the assumption says. */
const assumedSeconds = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) =>
    Math.round(assumedMedianSeconds * Math.exp(assumedDeviation * normalQuantile((i + 0.5) / count))),
  )
