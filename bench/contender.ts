import type { ProcessorTime } from './processor.ts'

/** A program that runs trivial jobs, in containers or without, measured beside the platform. */
export interface Contender {
  /** Its name in the table. */
  readonly name: string
  /** What was measured, with versions, for the notes below the table. */
  readonly description: string
  /** Runs `count` jobs of `true`, {@link parallelism} at a time, and returns when the end of the last one is recorded. */
  runTrue(count: number): Promise<void>
  /** Milliseconds from asking for one job on the idle machine to the first instruction of its command. */
  firstInstruction(): Promise<number>
  /** Processor time used so far; absent where it cannot be attributed, as with a daemon that others started. */
  processor?(): ProcessorTime
}

/** A program that was started for the benchmark, and the contenders that use it. */
export interface Started {
  readonly contenders: readonly Contender[]
  /** Ends every process that was started and removes what was made. */
  stop(): Promise<void>
}

/** Jobs that run at the same time, for every contender. */
export const parallelism = 3

/** The command that prints when it was started, in nanoseconds since the epoch. */
export const tellTime = ['/bin/date', '+%s%N'] as const

/** The milliseconds between `askedAt` (since the epoch) and what {@link tellTime} printed. */
export function sinceAsked(askedAt: number, printed: string): number {
  const nanoseconds = /^\d{19}$/.exec(printed.trim())?.[0]
  if (nanoseconds === undefined)
    throw new Error(`the job should have printed the time, and printed ${JSON.stringify(printed)}`)
  return Number(nanoseconds) / 1e6 - askedAt
}
