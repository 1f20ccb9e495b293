/** What every cached object has. */
interface Versioned {
  readonly name: string
  /** Grows with each change (the API's resourceVersion). */
  readonly version: number
}

/**
 * The objects of one kind, by name. A listing replaces the content; what a watch reports between two listings is applied where
 * it is newer. Each change says which objects it concerns.
 */
export class ObjectCache<T extends Versioned> {
  readonly #objects = new Map<string, T>()
  #listedAt = 0

  get(name: string): T | undefined {
    return this.#objects.get(name)
  }

  values(): Iterable<T> {
    return this.#objects.values()
  }

  /** Applies a listing of a version. Returns the objects that changed; of those that are gone, the cached form. */
  replace(listed: readonly T[], version: number): T[] {
    const changed: T[] = []
    const names = new Set(listed.map(({ name }) => name))
    // Versions go back when the cluster is restored from a backup. What is newer than the listing is gone then.
    const isRestored = version < this.#listedAt
    this.#listedAt = version
    for (const object of this.#objects.values()) {
      // A newer object was created, or reported by a watch, after the listing began.
      if (!isRestored && (names.has(object.name) || object.version > version)) continue
      this.#objects.delete(object.name)
      changed.push(object)
    }
    for (const object of listed) if (this.upsert(object)) changed.push(object)
    return changed
  }

  /** Adds or replaces an object; false where the cached one is as new. */
  upsert(object: T): boolean {
    const cached = this.#objects.get(object.name)
    if (cached !== undefined && cached.version >= object.version) return false
    this.#objects.set(object.name, object)
    return true
  }

  remove(name: string): void {
    this.#objects.delete(name)
  }
}
