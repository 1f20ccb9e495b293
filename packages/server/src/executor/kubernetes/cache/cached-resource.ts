import type { ObjectCache } from './object-cache.ts'

/** One kind of objects: where they are listed, and how their changes are applied. */
export interface CachedResource {
  /** For the log. */
  readonly name: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** Whether it is watched between listings. */
  readonly isWatched: boolean
  /** Begins a listing, which takes its pages one by one. Its end replaces the content of the cache. */
  readonly beginListing: () => {
    readonly add: (objects: readonly object[]) => void
    readonly end: (version: number) => void
  }
  readonly upsert: (object: object) => void
  readonly remove: (object: object) => void
}

/** What {@link cachedResource} needs to know of a kind. */
export interface ResourceOptions<
  Raw extends object,
  Cached extends { readonly name: string; readonly version: number },
> extends Pick<CachedResource, 'name' | 'path' | 'query' | 'isWatched'> {
  readonly cache: ObjectCache<Cached>
  /** The part of an object that is cached. */
  readonly recordOf: (object: Raw) => Cached
  /** Objects were added, changed or removed. */
  readonly onChange: (records: readonly Cached[]) => void
}

/** A kind of objects with the cache that holds them. */
export function cachedResource<Raw extends object, Cached extends { readonly name: string; readonly version: number }>(
  options: ResourceOptions<Raw, Cached>,
): CachedResource {
  const { name, path, query, isWatched, cache, recordOf, onChange } = options
  return {
    name,
    path,
    query,
    isWatched,
    beginListing: () => {
      const records: Cached[] = []
      return {
        add: (objects) => {
          for (const object of objects) records.push(recordOf(object as Raw))
        },
        end: (version) => {
          onChange(cache.replace(records, version))
        },
      }
    },
    upsert: (object) => {
      const record = recordOf(object as Raw)
      if (cache.upsert(record)) onChange([record])
    },
    remove: (object) => {
      const record = recordOf(object as Raw)
      cache.remove(record.name)
      onChange([record])
    },
  }
}
