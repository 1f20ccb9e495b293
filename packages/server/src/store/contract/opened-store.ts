import type { Store } from '../store.ts'

/** The store of one test. Each `open` of its place opens the same data. */
export interface OpenedStore {
  readonly place: { readonly open: () => Promise<Store>; readonly remove: () => Promise<void> }
  store: Store
}
