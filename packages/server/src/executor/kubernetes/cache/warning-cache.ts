/** The latest warning of the cluster about an attempt. */
export interface ClusterWarning {
  /** When the warning expires unless the cluster repeats it, in milliseconds since the epoch. */
  readonly until: number
  readonly reason: string
  readonly message: string
}

/**
 * The latest warning about each attempt. Its size is bounded by the attempts with objects in the cluster: a warning is accepted
 * only for such an attempt, and is removed with the last of its objects.
 */
export class WarningCache {
  readonly #warnings = new Map<string, ClusterWarning>()
  readonly #hasObjects: (attemptId: string) => boolean

  /** @param hasObjects Whether the attempt has a Job or a pod in the cluster. */
  constructor(hasObjects: (attemptId: string) => boolean) {
    this.#hasObjects = hasObjects
  }

  get size(): number {
    return this.#warnings.size
  }

  /** The warning about an attempt, unless it has expired. */
  get(attemptId: string, now: number): ClusterWarning | undefined {
    const warning = this.#warnings.get(attemptId)
    return warning !== undefined && now < warning.until ? warning : undefined
  }

  /** Replaces the warning about an attempt. False where the attempt has no objects. */
  upsert(attemptId: string, warning: ClusterWarning): boolean {
    if (!this.#hasObjects(attemptId)) return false
    this.#warnings.set(attemptId, warning)
    return true
  }

  /** To be called after an object of the attempt has changed or is gone. */
  objectChanged(attemptId: string): void {
    if (!this.#hasObjects(attemptId)) this.#warnings.delete(attemptId)
  }
}
