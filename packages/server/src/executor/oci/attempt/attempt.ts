import { WakeUps } from '../../../lib/wake-ups.ts'
import type { AttemptSpec, Ending, Observed } from '../../executor.ts'
import type { ImageFacts } from '../container/program-look.ts'
import type { EndEvidence } from './ending.ts'
import type { SupervisorIdentity } from '../supervisor/supervisor.ts'

/** Which process works on an attempt, beside what is observed of it. */
export type Custody =
  /** This process fetches the image and writes the journal; there is no supervisor yet. */
  | { readonly type: 'preparing'; readonly abort: AbortController; readonly done: Promise<void> }
  /** A supervisor that this process started runs it, or cleans up after it. */
  | { readonly type: 'child' }
  /** A supervisor that an earlier server started. */
  | { readonly type: 'adopted'; readonly identity: SupervisorIdentity }
  /** Nothing of it runs, and nothing is left to clean up. */
  | { readonly type: 'settled' }

/** An attempt that this executor lists. */
export class Attempt extends WakeUps {
  readonly spec: AttemptSpec
  readonly logLimitBytes: number
  /** Known once its image was prepared. */
  image: ImageFacts | undefined
  /** The processors that it is bound to; empty where it is not bound. */
  processors: readonly number[] = []
  custody: Custody = { type: 'settled' }
  observed: Observed
  evidence: EndEvidence | undefined
  /** Whether {@link Executor.stop} was called for it. */
  stopAsked = false
  /** The latest sample of its CPU time, for the cores in use. */
  sample: { readonly at: number; readonly cpuSeconds: number; readonly cores: number | undefined } | undefined
  /** Supervisors started so far to clean up after it. */
  cleanings = 0
  /** Kills for memory that were seen so far. */
  memoryKills = 0
  readonly #settled = Promise.withResolvers<undefined>()

  constructor(spec: AttemptSpec, logLimitBytes: number) {
    super()
    this.spec = spec
    this.logLimitBytes = logLimitBytes
    this.observed = { attemptId: spec.id, phase: 'preparing' }
  }

  get id(): string {
    return this.spec.id
  }

  get ended(): boolean {
    return this.observed.phase === 'ended'
  }

  /** Resolves once nothing of the attempt runs, and nothing is left to clean up. */
  get settled(): Promise<void> {
    return this.#settled.promise
  }

  settle(): void {
    this.custody = { type: 'settled' }
    this.#settled.resolve(undefined)
  }

  /** Sets the ending, once: a caller may have read it already. */
  end(ending: Ending, evidence?: EndEvidence): void {
    if (this.ended) return
    this.evidence = evidence
    this.observed = { ...this.observed, phase: 'ended', ending }
    this.wake()
  }
}
