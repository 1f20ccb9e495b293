import type { JobChanges } from '../job/changes.ts'
import type { Store } from './store.ts'

/** The store, telling `changes` of every job that it stored or moved on, once that is durable. */
export function announcing(store: Store, changes: JobChanges): Store {
  return {
    ...store,
    submit: async (submission) => {
      const outcome = await store.submit(submission)
      if (outcome.outcome === 'stored') changes.announce(submission.jobs)
      return outcome
    },
    step: async (steps) => {
      const jobs = await store.step(steps)
      changes.announce(jobs)
      return jobs
    },
  }
}
