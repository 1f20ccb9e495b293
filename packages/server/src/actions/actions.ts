import { canceller, type Cancel } from './cancel.ts'
import { jobsCanceller, type CancelJobs } from './cancel-jobs.ts'
import { remover, type Remove } from './remove.ts'
import { renewer, type Renew } from './renew.ts'
import { submitter, type Submit, type SubmitDependencies } from './submit.ts'
import type { Store } from '../store/store.ts'

/** The use cases on jobs, for every API. Only these and the loop write jobs. */
export interface Actions {
  readonly submit: Submit
  readonly cancel: Cancel
  readonly cancelJobs: CancelJobs
  readonly renew: Renew
  readonly remove: Remove
}

/** The store methods that write jobs: for {@link Actions} and the loop only. */
export type JobWrites = 'submit' | 'step' | 'addEvents'

/** Dependencies of {@link createActions}. */
export interface ActionsDependencies extends SubmitDependencies {
  readonly store: Pick<Store, 'submit' | 'answeredBefore' | 'step' | 'job' | 'jobsById' | 'notEndedOf'>
}

/** Creates the {@link Actions}. */
export function createActions(dependencies: ActionsDependencies): Actions {
  const { store, now } = dependencies
  const cancel = canceller({ store, now })
  return {
    submit: submitter(dependencies),
    cancel,
    cancelJobs: jobsCanceller({ store, now }),
    renew: renewer({ store, now }),
    remove: remover({ store, cancel, now }),
  }
}
