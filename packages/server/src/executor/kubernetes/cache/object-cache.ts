/** What every remembered object has. */
interface Versioned {
  readonly name: string
  /** Grows with every change (the API's resourceVersion). */
  readonly version: number
}

/**
 * The objects of one kind as they were last seen. Listings are the truth; what a watch tells in between is taken where it is newer. Says
 * which objects have changed.
 */
export class ObjectCache<T extends Versioned> {
  readonly #objects = new Map<string, T>()
  #listedAt = 0

  /** By name. */
  get(name: string): T | undefined {
    return this.#objects.get(name)
  }

  values(): Iterable<T> {
    return this.#objects.values()
  }

  /** Takes over a listing that was made at a version. Returns the objects that changed, in their old form where they are gone. */
  replace(listed: readonly T[], version: number): T[] {
    const changed: T[] = []
    const names = new Set(listed.map(({ name }) => name))
    // The cluster was restored from a backup: what is newer than the listing does not exist any more.
    const isRestored = version < this.#listedAt
    this.#listedAt = version
    for (const object of this.#objects.values()) {
      // One that is newer than the listing was told of by a watch, or made by us, since.
      if (!isRestored && (names.has(object.name) || object.version > version)) continue
      this.#objects.delete(object.name)
      changed.push(object)
    }
    for (const object of listed) if (this.put(object)) changed.push(object)
    return changed
  }

  /** Takes over an object; false when what is known is as new. */
  put(object: T): boolean {
    const known = this.#objects.get(object.name)
    if (known !== undefined && known.version >= object.version) return false
    this.#objects.set(object.name, object)
    return true
  }

  /** It is gone. */
  remove(name: string): void {
    this.#objects.delete(name)
  }
}
